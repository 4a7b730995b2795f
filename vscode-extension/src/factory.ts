import * as vscode from 'vscode';
import { Adapter } from './adapter';
import { currentBinary } from './debugger';
import type { Message } from './framing';
import { log } from './log';
import { configure, diagnose, showLog, tellError } from './notify';

/** Starts the debugger for a session. A `debugServer` attribute never comes here: VS Code connects by itself. */
export class Factory implements vscode.DebugAdapterDescriptorFactory {
	createDebugAdapterDescriptor(session: vscode.DebugSession): vscode.DebugAdapterDescriptor {
		const found = currentBinary();
		log().info(`${session.name}: starting ${found.path}`);
		const adapter = new Adapter(found.path, [], session.workspaceFolder?.uri.fsPath, {
			complaint: line => log().warn(`${session.name}: ${line}`),
			lost: why => tellError(`The debugger ended by itself (${why}).`, showLog, diagnose),
			refused: message => {
				tellError(`${session.name}: ${reason(message)}`, configure, showLog, diagnose);
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
	return text ?? m.message ?? 'The debugger could not start.';
}
