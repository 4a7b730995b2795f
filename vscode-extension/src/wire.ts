import * as path from 'node:path';
import { mkdirSync } from 'node:fs';
import * as vscode from 'vscode';
import { tellError } from './notify';
import { section, setting } from './settings';

let folder = '';
let latest: string | undefined;

/** Says where traces of the wire are kept. */
export function traceInto(f: string): void {
	folder = f;
}

/** A new file for the trace of a session, when the setting asks for one. */
export function traceFile(session: string): string | undefined {
	if (!setting<boolean>('recordWire') || folder === '') {
		return undefined;
	}
	mkdirSync(folder, { recursive: true });
	const time = new Date().toISOString().replace(/[:.]/g, '-');
	return (latest = path.join(folder, `${time} ${session.replace(/[^\w.-]+/g, '_')}.wire`));
}

/** Switches recording on or off; it begins with the next session. */
export async function toggle(): Promise<void> {
	const on = !setting<boolean>('recordWire');
	await vscode.workspace.getConfiguration(section).update('recordWire', on, vscode.ConfigurationTarget.Global);
	void vscode.window.showInformationMessage(on ? 'From the next session on, everything sent and received is recorded.' : 'The wire is not recorded any more.');
}

/** Opens the latest trace. */
export async function show(): Promise<void> {
	if (latest === undefined) {
		tellError('Nothing has been recorded in this window. Switch "dap-windbg: Record the Wire" on and start a session.');
		return;
	}
	await vscode.window.showTextDocument(vscode.Uri.file(latest));
}
