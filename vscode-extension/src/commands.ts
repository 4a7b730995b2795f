import * as vscode from 'vscode';
import { run } from './debugger';
import { log } from './log';
import { showLog, tellError } from './notify';
import { pickProcess } from './picker';
import { usable } from './provider';
import { section } from './settings';

/** How long the diagnosis of this machine may take, in milliseconds. */
const doctorLimit = 60_000;

/** The commands, by the part of their name after the extension's. */
const commands: Record<string, (...args: any[]) => unknown> = {
	pickProcess: (config?: { processServer?: unknown }) => pickProcess(typeof config?.processServer === 'string' ? config.processServer : undefined),
	attach: () => vscode.debug.startDebugging(vscode.workspace.workspaceFolders?.[0], { type: section, request: 'attach', name: 'Attach' }),
	showLog: () => log().show(),
	doctor,
};

export function registerCommands(): vscode.Disposable[] {
	return Object.entries(commands).map(([name, run]) => vscode.commands.registerCommand(`${section}.${name}`, run));
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
	} catch (err) {
		tellError(`The diagnosis failed: ${(err as Error).message}`, showLog);
	}
}
