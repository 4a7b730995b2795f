import { accessSync, constants, statSync } from 'node:fs';
import * as path from 'node:path';

/** What the extension needs to know of the machine it runs on. Tests have machines of their own. */
export interface Platform {
	readonly os: NodeJS.Platform;
	readonly env: Readonly<Record<string, string | undefined>>;
	/** path as this machine writes it */
	readonly path: path.PlatformPath;
	isFile(file: string): boolean;
	isExecutable(file: string): boolean;
}

export const host: Platform = {
	os: process.platform,
	env: process.env,
	path,
	isFile: file => {
		try {
			return statSync(file).isFile();
		} catch {
			return false;
		}
	},
	isExecutable(file) {
		if (!this.isFile(file)) {
			return false;
		}
		try {
			accessSync(file, constants.X_OK);
			return true;
		} catch {
			return false;
		}
	},
};

/** An environment variable; Windows does not tell upper from lower case in their names. */
export function variable(p: Platform, name: string): string | undefined {
	if (p.os !== 'win32') {
		return p.env[name];
	}
	const key = Object.keys(p.env).find(k => k.toLowerCase() === name.toLowerCase());
	return key === undefined ? undefined : p.env[key];
}

/** Looks for a program in the folders of PATH, on Windows with the endings of PATHEXT. */
export function onPath(p: Platform, program: string): string | undefined {
	const endings = p.os === 'win32' ? (variable(p, 'PATHEXT') ?? '.EXE').split(';') : [''];
	for (const folder of (variable(p, 'PATH') ?? '').split(p.path.delimiter)) {
		if (!p.path.isAbsolute(folder)) {
			continue; // what lies in the current folder is not ours to start
		}
		for (const ending of endings) {
			const file = p.path.join(folder, program + ending.toLowerCase());
			if (p.isExecutable(file)) {
				return file;
			}
		}
	}
	return undefined;
}
