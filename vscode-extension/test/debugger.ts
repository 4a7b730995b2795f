import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { settings } from './vscode';

/** Makes a shell script stand for the debugger while f runs; $DIR in it is a folder of its own. */
export async function withDebugger(script: string, f: (dir: string) => Promise<void>): Promise<void> {
	const dir = mkdtempSync(path.join(tmpdir(), 'debugger-'));
	try {
		const file = path.join(dir, 'dap-windbg');
		writeFileSync(file, `#!/bin/sh\nDIR='${dir}'\n${script}\n`, { mode: 0o755 });
		settings.set('dap-windbg.executable', file);
		await f(dir);
	} finally {
		rmSync(dir, { recursive: true });
	}
}

/** Lets everything that is due happen until test holds. */
export async function until(test: () => boolean): Promise<void> {
	while (!test()) {
		await new Promise(resolve => setImmediate(resolve));
	}
}
