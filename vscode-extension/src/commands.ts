import * as vscode from 'vscode';
import { breakOnChange, inSession, setNextStatement, unassemble, viewMemory, viewMemoryOf } from './code';
import { run } from './debugger';
import { log } from './log';
import { showLog, tellError } from './notify';
import { pickProcess } from './picker';
import { usable } from './provider';
import type { Register } from './registers';
import { type } from './session';
import { section } from './settings';
import { clients, share, unshare } from './share';
import { loadSymbols, symbolNoise, symbolPath } from './symbols';
import type { Task, Thread } from './target';
import { touched } from './tracker';
import type { Row } from './tree';
import { start } from './ways';
import * as wire from './wire';

/** How long the diagnosis of this machine may take, in milliseconds. */
const doctorLimit = 60_000;

/** Every command, by the part of its name after the extension's. Arguments are those of the menus it stands in. */
const commands: Record<string, (...args: any[]) => unknown> = {
	start: () => start(),
	attach: () => start('process'),
	attachToServer: () => start('gdbserver'),
	openCore: () => start('core'),
	pickProcess: (config?: { processServer?: unknown }) => pickProcess(typeof config?.processServer === 'string' ? config.processServer : undefined),
	doctor,
	showLog: () => log().show(),

	symbolPath,
	symbolNoise,
	loadSymbols,
	share,
	clients,
	unshare,
	recordWire: wire.toggle,
	showWire: wire.show,

	viewMemory,
	viewMemoryOf,
	viewMemoryAt: (row: Row) => viewMemoryOf({ variable: row.about as Register }),
	breakOnChange,
	setNextStatement,
	unassemble,
	unassembleAt: (row: Row) => unassemble({ variable: row.about as Register }),
	setRegister,

	freezeThread: (row: Row) => toThread(row, 'f'),
	thawThread: (row: Row) => toThread(row, 'u'),
	stackOfThread: (row: Row) => toThread(row, 'k'),
	lookFromTask: (row: Row) => inSession(async s => {
		await s.customRequest('lookFrom', { address: (row.about as Task | undefined)?.address ?? '' });
	}),
	attachTo: (row: Row) => {
		const { pid, processServer } = row.about as { pid: number; processServer: string };
		return begin({ request: 'attach', name: `Process ${pid}`, processId: pid, ...(processServer !== '' && { processServer }) });
	},
	copy: (row: Row) => vscode.env.clipboard.writeText(typeof row.about === 'string' ? row.about : String(row.description ?? row.label)),
};

export function registerCommands(): vscode.Disposable[] {
	return Object.entries(commands).map(([name, act]) => vscode.commands.registerCommand(`${section}.${name}`, act));
}

function begin(config: { request: string; name: string; [attribute: string]: unknown }): Thenable<boolean> {
	return vscode.debug.startDebugging(vscode.workspace.workspaceFolders?.[0], { type: section, ...config });
}

/** Types a command for the thread of a row. */
function toThread(row: Row, what: string): Promise<void> {
	return inSession(async s => {
		await type(s, `~${(row.about as Thread).ordinal}${what}`);
		touched(s, 'threads');
	});
}

/** Asks for a register's new value and sets it with r, which renews every view. */
function setRegister(row: Row): Promise<void> {
	const r = row.about as Register;
	return inSession(async s => {
		const value = await vscode.window.showInputBox({ title: `New value of ${r.name}`, value: r.value, prompt: 'A number or an expression of WinDbg' });
		if (value !== undefined) {
			await type(s, `r ${r.name}=${value}`);
		}
	});
}

/** Shows what this machine can debug and what it lacks. */
async function doctor(): Promise<void> {
	if (!usable()) {
		return;
	}
	log().show(true);
	try {
		for (const line of (await run(['doctor'], doctorLimit)).trimEnd().split('\n')) {
			log().info(line);
		}
		log().show(true); // a channel that was made just now may have missed the first
	} catch (err) {
		tellError(`The diagnosis failed: ${(err as Error).message}`, showLog);
	}
}
