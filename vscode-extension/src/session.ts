import * as vscode from 'vscode';
import { section } from './settings';

/** The session of ours that the user looks at, if it is one of ours. */
export function activeSession(): vscode.DebugSession | undefined {
	const s = vscode.debug.activeDebugSession;
	return s?.type === section ? s : undefined;
}

/** The frame that is selected in the Call Stack of s. */
export function frameOf(s: vscode.DebugSession): number | undefined {
	const item = vscode.debug.activeStackItem;
	return item?.session.id === s.id && item instanceof vscode.DebugStackFrame ? item.frameId : undefined;
}

/** The thread that is selected in the Call Stack of s. */
export function threadOf(s: vscode.DebugSession): number | undefined {
	const item = vscode.debug.activeStackItem;
	return item?.session.id === s.id ? item.threadId : undefined;
}

/** What an expression has come to, or a command line printed. */
export interface Evaluated {
	result: string;
	memoryReference?: string;
	variablesReference?: number;
}

export function evaluate(s: vscode.DebugSession, context: 'repl' | 'watch', expression: string): Thenable<Evaluated> {
	return s.customRequest('evaluate', { expression, context, frameId: frameOf(s) });
}

/** Runs a WinDbg command and returns what it prints. Rejects with its complaint. */
export async function command(s: vscode.DebugSession, line: string): Promise<string> {
	return (await evaluate(s, 'repl', line)).result;
}

/** Runs a WinDbg command as if it were typed: its text is seen in the Debug Console. */
export async function type(s: vscode.DebugSession, line: string): Promise<void> {
	vscode.debug.activeDebugConsole.appendLine(`> ${line}`);
	vscode.debug.activeDebugConsole.append(await command(s, line));
	await vscode.commands.executeCommand('workbench.debug.action.focusRepl');
}
