import * as vscode from 'vscode';
import { Adapter } from './adapter';
import { currentBinary } from './debugger';
import type { Message } from './framing';
import { log } from './log';
import { configure, diagnose, openSetting, showLog, tellError } from './notify';
import { section } from './settings';

/** Starts the debugger for a session. A `debugServer` attribute never comes here: VS Code connects by itself. */
export class Factory implements vscode.DebugAdapterDescriptorFactory {
	createDebugAdapterDescriptor(session: vscode.DebugSession): vscode.DebugAdapterDescriptor {
		const found = currentBinary();
		log().info(`${session.name}: starting ${found.path}`);
		const adapter = new Adapter(found.path, [], session.workspaceFolder?.uri.fsPath, {
			complaint: line => log().warn(`${session.name}: ${line}`),
			lost: why => tellError(`The debugger ended by itself (${why}).`, showLog, diagnose),
			refused: message => {
				const why = reason(message);
				tellError(`${session.name}: ${why}`, /\bgdbserver is not installed/.test(why) ? openSetting(`${section}.gdbserver`) : configure, showLog, diagnose);
				return true;
			},
		});
		return new vscode.DebugAdapterInlineImplementation(adapter);
	}
}

/** What a refusal says to the user. */
export function reason(m: Message): string {
	const error = (m.body as { error?: { format?: string; variables?: Record<string, string> } } | undefined)?.error;
	const text = error?.format?.replace(/\{(\w+)\}/g, (all, name: string) => error.variables?.[name] ?? all);
	return sentences(text ?? m.message ?? 'The debugger could not start.');
}

/** Makes sentences of lines: a message has one line, in which their ends would be lost. */
export function sentences(text: string): string {
	const lines = text.split('\n').map(l => l.trim()).filter(l => l !== '');
	return lines.map((l, i) => {
		const begun = i === 0 ? l : l[0]!.toUpperCase() + l.slice(1);
		return i === lines.length - 1 || /[.!?:]$/.test(l) ? begun : `${begun}.`;
	}).join(' ');
}
