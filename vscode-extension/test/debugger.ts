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

/** Holds back what is set to happen later, until the returned function lets it happen. */
export function holdTimers(t: { after(end: () => void): void }): () => void {
	const real = globalThis.setTimeout;
	const due: (() => void)[] = [];
	globalThis.setTimeout = ((f: () => void) => ({ unref: () => undefined, number: due.push(f) })) as never;
	t.after(() => (globalThis.setTimeout = real));
	return () => due.splice(0).forEach(f => f());
}

/** Lets everything that is due happen until test holds. */
export async function until(test: () => boolean): Promise<void> {
	while (!test()) {
		await new Promise(resolve => setImmediate(resolve));
	}
}
