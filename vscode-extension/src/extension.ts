import * as vscode from 'vscode';
import { registerCommands } from './commands';
import { install } from './debugger';
import { Factory } from './factory';
import { disposeLog } from './log';
import { Provider } from './provider';
import { section } from './settings';

/** Called when the first session of our type is about to start, or one of our commands runs; never at startup. */
export function activate(context: vscode.ExtensionContext): void {
	install(context.extensionPath);
	context.subscriptions.push(
		vscode.debug.registerDebugConfigurationProvider(section, new Provider()),
		vscode.debug.registerDebugAdapterDescriptorFactory(section, new Factory()),
		...registerCommands(),
		{ dispose: disposeLog },
	);
}
