import * as vscode from 'vscode';

let channel: vscode.LogOutputChannel | undefined;

/** The extension's log: its level is set in the Output view. Made when first written to. */
export function log(): vscode.LogOutputChannel {
	return (channel ??= vscode.window.createOutputChannel('dap-windbg', { log: true }));
}

export function disposeLog(): void {
	channel?.dispose();
	channel = undefined;
}
