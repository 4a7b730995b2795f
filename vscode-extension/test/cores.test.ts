import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { Cores, isCore } from '../src/cores';
import * as fake from './vscode';

/** The first bytes of an ELF file. */
const elf = (order: 1 | 2, type: number): Buffer => Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, ...(order === 2 ? [0, type] : [type, 0]), 62, 0]);

test('core files of the workspace are offered, and nothing that is only called so', async () => {
	const dir = mkdtempSync(path.join(tmpdir(), 'cores-'));
	try {
		const files: [string, Buffer | undefined][] = [['core.9', elf(1, 4)], ['core', elf(2, 4)], ['core.c', Buffer.from('int main;')], ['core.o', elf(1, 1)], ['core.be', elf(2, 3)], ['core.short', elf(1, 4).subarray(0, 17)], ['core.gone', undefined]];
		files.forEach(([name, content]) => content && writeFileSync(path.join(dir, name), content));
		const folder: any = { uri: fake.Uri.file(dir), files: files.map(([name]) => fake.Uri.file(path.join(dir, name))) };
		assert.deepEqual(await new Cores().provideDebugConfigurations(folder), [
			{ type: 'dap-windbg', request: 'attach', name: 'Core file core', coreFile: path.join(dir, 'core') },
			{ type: 'dap-windbg', request: 'attach', name: 'Core file core.9', coreFile: path.join(dir, 'core.9') },
		]);
		assert.deepEqual(await new Cores().provideDebugConfigurations(undefined), []);
		assert.equal(await isCore(dir), false);
	} finally {
		rmSync(dir, { recursive: true });
	}
});
