import { open } from 'node:fs/promises';
import * as vscode from 'vscode';
import type { Configuration } from './resolve';
import { section } from './settings';

/** Names that core files have, and how many files are looked at. */
const pattern = '**/{core,core.*,*.core,vgcore.*}';
const most = 50;

/** Offers the core files of the workspace in "Run and Debug". */
export class Cores implements vscode.DebugConfigurationProvider {
	async provideDebugConfigurations(folder: vscode.WorkspaceFolder | undefined): Promise<vscode.DebugConfiguration[]> {
		if (folder === undefined) {
			return [];
		}
		const files = await vscode.workspace.findFiles(new vscode.RelativePattern(folder, pattern), '**/node_modules/**', most);
		const cores: Configuration[] = [];
		for (const file of files) {
			if (file.scheme === 'file' && (await isCore(file.fsPath))) {
				const name = vscode.workspace.asRelativePath(file, false);
				cores.push({ type: section, request: 'attach', name: `Core file ${name}`, coreFile: file.fsPath });
			}
		}
		return cores.sort((a, b) => a.name.localeCompare(b.name));
	}
}

/** Whether a file is an ELF core: e_ident's magic, and ET_CORE in e_type, in the byte order of e_ident[EI_DATA]. */
export async function isCore(file: string): Promise<boolean> {
	try {
		const f = await open(file);
		try {
			const head = Buffer.alloc(18);
			const { bytesRead } = await f.read(head, 0, head.length, 0);
			return bytesRead === head.length && head.toString('latin1', 0, 4) === '\x7fELF' && (head[5] === 2 ? head.readUInt16BE(16) : head.readUInt16LE(16)) === 4;
		} finally {
			await f.close();
		}
	} catch {
		return false; // not there any more, or not ours to read
	}
}
