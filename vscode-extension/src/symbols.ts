import * as vscode from 'vscode';
import { inSession } from './code';
import type { Module } from './modules';
import { log } from './log';
import { command, type } from './session';

/** Shows where symbols are looked for, lets it be changed, and looks again. */
export function symbolPath(): Promise<void> {
	return inSession(async s => {
		const before = pathIn(await command(s, '.sympath'));
		const path = await vscode.window.showInputBox({
			title: 'Symbol path', value: before, ignoreFocusOut: true,
			prompt: 'Folders, srv*CACHE*URL, cache*DIR and DebugInfoD*URL, with ; between them',
		});
		if (path === undefined || path === before) {
			return;
		}
		await type(s, `.sympath ${path}`);
		await type(s, '.reload');
	});
}

/** The path in what .sympath prints. */
export function pathIn(printed: string): string {
	return /^Symbol search path is:\s*(.*)$/im.exec(printed)?.[1]?.trim().replace(/^<empty>$/, '') ?? '';
}

/** Tells each place where symbols are looked for, or stops doing so. */
export function symbolNoise(): Promise<void> {
	return inSession(async s => {
		const noisy = /noisy/i.test(await command(s, '!sym'));
		await type(s, `!sym ${noisy ? 'quiet' : 'noisy'}`);
	});
}

/** Loads the symbols of a module, saying where they are looked for. */
export function loadSymbols(row?: { about?: Module }): Promise<void> {
	return inSession(async s => {
		const name = row?.about?.name ?? (await vscode.window.showInputBox({ title: 'Load symbols', prompt: 'A module; * for all' }));
		if (name === undefined || name === '') {
			return;
		}
		const noisy = /noisy/i.test(await command(s, '!sym'));
		if (!noisy) {
			await command(s, '!sym noisy');
		}
		await type(s, `.reload /f ${name === '*' ? '' : name}`.trim());
		if (!noisy) {
			await command(s, '!sym quiet');
		}
		log().debug(`symbols of ${name} were asked for`);
	});
}
