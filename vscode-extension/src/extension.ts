import * as path from 'node:path';
import * as vscode from 'vscode';
import { registerCommands } from './commands';
import { Cores } from './cores';
import { install } from './debugger';
import { Factory } from './factory';
import { disposeLog } from './log';
import { MemoryFiles } from './memory';
import { Modules } from './modules';
import { Provider } from './provider';
import { Registers } from './registers';
import { section } from './settings';
import { Target } from './target';
import { Trackers } from './tracker';
import { traceInto } from './wire';

/** Called when the first session of our type is about to start, or one of our commands runs; never at startup. */
export function activate(context: vscode.ExtensionContext): void {
	install(context.extensionPath);
	traceInto(path.join(context.logUri.fsPath, 'wire'));
	const sessions = new Map<string, vscode.DebugSession>();
	context.subscriptions.push(
		vscode.debug.onDidStartDebugSession(s => s.type === section && sessions.set(s.id, s)),
		vscode.debug.onDidTerminateDebugSession(s => sessions.delete(s.id)),
		vscode.debug.registerDebugAdapterTrackerFactory(section, new Trackers()),
		new MemoryFiles(id => sessions.get(id)),
		new Modules(),
		new Target(),
		new Registers(),
		vscode.debug.registerDebugConfigurationProvider(section, new Provider()),
		vscode.debug.registerDebugConfigurationProvider(section, new Cores(), vscode.DebugConfigurationProviderTriggerKind.Dynamic),
		vscode.debug.registerDebugAdapterDescriptorFactory(section, new Factory()),
		...registerCommands(),
		{ dispose: disposeLog },
	);
}
