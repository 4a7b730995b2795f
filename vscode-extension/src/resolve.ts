import type { Platform } from './platform';

/** A launch configuration, whoever wrote it. */
export interface Configuration {
	type: string;
	request: string;
	name: string;
	[attribute: string]: unknown;
}

/** What is wrong with a configuration, in one sentence that says what to do. */
export interface Refusal {
	message: string;
	/** Whether the configuration is where it is mended. */
	configure: boolean;
}

/** Attributes that a setting of the same name fills where a configuration lacks them. */
export const settingsAsDefaults = ['symbolPath', 'sourcePath', 'imagePath', 'sourceMap', 'natvis', 'debugInfoD', 'stepFilter', 'gdbserver'];

/** The attributes that say what to attach to; one of them at most. */
const waysToAttach = ['processId', 'processName', 'connection', 'coreFile', 'remote'];

/** Attributes that run commands or programs of the configuration's choosing. */
const unsafe = ['gdbserver', 'initCommands', 'postConnectCommands', 'exitCommands', 'trace'];

function given(c: Configuration, name: string): boolean {
	const v = c[name];
	return v !== undefined && v !== null && v !== '' && !(Array.isArray(v) && v.length === 0);
}

/** Fills what the user's settings say and the configuration does not. */
export function addDefaults(c: Configuration, setting: (name: string) => unknown): Configuration {
	const out = { ...c };
	for (const name of settingsAsDefaults) {
		const value = setting(name);
		if (!(name in out) && given({ ...c, [name]: value }, name) && !isEmptyObject(value)) {
			out[name] = value;
		}
	}
	return out;
}

function isEmptyObject(v: unknown): boolean {
	return typeof v === 'object' && v !== null && !Array.isArray(v) && Object.keys(v).length === 0;
}

/** What can be said before variables are replaced: contradictions, and what is missing. */
export function contradiction(c: Configuration): Refusal | undefined {
	const refuse = (message: string): Refusal => ({ message: `${c.name || 'This configuration'}: ${message}`, configure: true });
	if (c.request !== 'launch' && c.request !== 'attach') {
		return refuse(`"request" must be "launch" or "attach", not ${JSON.stringify(c.request)}.`);
	}
	const ways = waysToAttach.filter(w => given(c, w));
	if (c.request === 'launch') {
		if (ways.length > 0) {
			return refuse(`"${ways[0]}" belongs to an attach configuration. Write "request": "attach", or remove it.`);
		}
		return given(c, 'program') ? undefined : refuse('"program" is missing: the program to start.');
	}
	if (ways.length > 1) {
		return refuse(`"${ways.join('" and "')}" exclude each other. Keep the one that says what to attach to.`);
	}
	if (given(c, 'waitFor') && c.waitFor === true && !given(c, 'processName')) {
		return refuse('"waitFor" needs "processName": the program to wait for.');
	}
	return undefined;
}

/** What an attach configuration that names nothing lacks: the process, which a picker can tell. */
export function needsProcess(c: Configuration): boolean {
	return c.request === 'attach' && !waysToAttach.some(w => given(c, w)) && !given(c, '__child');
}

/** What can only be said with every variable replaced. */
export function unusable(c: Configuration, p: Platform, trusted: boolean): Refusal | undefined {
	const refuse = (message: string): Refusal => ({ message: `${c.name || 'This configuration'}: ${message}`, configure: true });
	const forbidden = trusted ? undefined : (unsafe.find(a => given(c, a)) ?? (c.request === 'launch' ? 'program' : undefined));
	if (forbidden !== undefined) {
		return refuse(`"${forbidden}" is refused in a folder that is not trusted. Trust the folder, or remove the attribute.`);
	}
	for (const name of ['connection', 'processServer', 'remote']) {
		const text = c[name];
		if (given(c, name) && (typeof text !== 'string' || !/^[a-z][a-z0-9]*:/i.test(text))) {
			return refuse(`"${name}" must be a connection string such as "${sample(name)}", not ${JSON.stringify(text)}.`);
		}
	}
	if (given(c, 'processId') && !/^(0x[0-9a-f]+|\d+)$/i.test(String(c.processId))) {
		return refuse(`"processId" must be the number of a process, not ${JSON.stringify(c.processId)}.`);
	}
	return fileMissing(c, p, refuse) ?? notHere(c, p, refuse);
}

function sample(name: string): string {
	return name === 'remote' ? 'tcp:server=HOST,port=5005' : 'gdb:server=HOST,port=1234';
}

/** Files that must be here: those of far ends are not looked for. */
function fileMissing(c: Configuration, p: Platform, refuse: (m: string) => Refusal): Refusal | undefined {
	const local = c.request === 'launch' && !given(c, 'processServer');
	if (local && typeof c.program === 'string' && p.path.isAbsolute(c.program) && !p.isFile(c.program)) {
		return refuse(`the program ${c.program} does not exist. Build it first (a "preLaunchTask" can do that), or correct "program".`);
	}
	if (typeof c.coreFile === 'string' && c.coreFile !== '' && p.path.isAbsolute(c.coreFile) && !p.isFile(c.coreFile)) {
		return refuse(`the core file ${c.coreFile} does not exist.`);
	}
	return undefined;
}

/** Programs and processes of this machine are debugged on Linux alone. */
function notHere(c: Configuration, p: Platform, refuse: (m: string) => Refusal): Refusal | undefined {
	if (p.os === 'linux' || given(c, 'processServer')) {
		return undefined;
	}
	if (c.request === 'launch') {
		return refuse('programs of this machine are started on Linux only. Name a machine that runs `gdbserver --multi` in "processServer", for example "gdb:server=HOST,port=1234".');
	}
	if (given(c, 'processId') || given(c, 'processName')) {
		return refuse('processes of this machine are debugged on Linux only. Name the machine they run on in "processServer".');
	}
	return undefined;
}

/** Text without the passwords and keys of connection strings, and without the passwords of URLs. */
export function masked(text: string): string {
	return text.replace(/\b(password|key|pwd)=[^,"}\\\s]*/gi, '$1=...').replace(/(:\/\/[^\s/:@"]*):[^\s/@"]*@/g, '$1:...@');
}

/** A configuration as text for the log: without passwords, keys and what the environment holds. */
export function forLog(c: Configuration): string {
	const env = c.env && Object.fromEntries(Object.keys(c.env).map(k => [k, '...']));
	return masked(JSON.stringify(env ? { ...c, env } : c));
}

/** A configuration as it is written into a launch.json: paths from the folder on, and the process asked for each time. */
export function portable(c: Configuration, folder: string | undefined, p: Platform): Configuration {
	const out: Configuration = needsProcess(c) ? { ...c, processId: '${command:PickProcess}' } : { ...c };
	for (const name of ['program', 'coreFile']) {
		const file = out[name];
		const inside = folder !== undefined && typeof file === 'string' ? p.path.relative(folder, file) : '..';
		if (inside !== '' && inside.split(/[/\\]/)[0] !== '..' && !p.path.isAbsolute(inside)) {
			out[name] = '${workspaceFolder}/' + inside.split(p.path.sep).join('/');
		}
	}
	return out;
}
