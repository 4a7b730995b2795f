import * as vscode from 'vscode';
import { log } from './log';

/** A button of a message. */
export interface Remedy {
	title: string;
	run(): unknown;
}

export const showLog: Remedy = { title: 'Show Log', run: () => log().show(true) };

export function openSetting(id: string): Remedy {
	return { title: 'Open Settings', run: () => vscode.commands.executeCommand('workbench.action.openSettings', id) };
}

/** Opens launch.json, where there is one. */
export const configure: Remedy = { title: 'Configure', run: () => vscode.commands.executeCommand('workbench.action.debug.configure') };

export const diagnose: Remedy = { title: 'Run Diagnostics', run: () => vscode.commands.executeCommand('dap-windbg.doctor') };

/** Tells what failed, with what the user can do about it as buttons. Does not wait for an answer. */
export function tellError(message: string, ...remedies: Remedy[]): void {
	log().error(message);
	void vscode.window.showErrorMessage(message, ...remedies).then(chosen => chosen?.run());
}
