import * as vscode from 'vscode';

/** The section of all settings of this extension, and the debugger type. */
export const section = 'dap-windbg';

/** A setting's value, as package.json's default has it when nobody set it. */
export function setting<T>(name: string, scope?: vscode.ConfigurationScope): T {
	return vscode.workspace.getConfiguration(section, scope).get(name) as T;
}
