import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { MemoryFiles, memoryUri } from '../src/memory';
import { Trackers } from '../src/tracker';
import { holdTimers } from './debugger';
import * as fake from './vscode';

beforeEach(() => fake.reset());

function memory(size: number) {
	const cells = Buffer.alloc(size, 0x41);
	const at = 0x1000;
	const session = fake.fakeSession({
		readMemory: a => ({ data: cells.subarray(Number(a.memoryReference) - at, Number(a.memoryReference) - at + a.count).toString('base64') }),
		writeMemory: a => ({ bytesWritten: Buffer.from(a.data, 'base64').copy(cells, Number(a.memoryReference) - at) }),
	});
	return { cells, session };
}

test('memory is read, edited, saved, and read anew when it has changed', async t => {
	const later = holdTimers(t);
	const { cells, session } = memory(40);
	const files = new MemoryFiles(id => (id === session.id ? session : undefined));
	const uri = memoryUri(session, 0x1000n, 32, 'a/b?') as any;
	assert.equal(uri.toString(), 'dap-windbg-memory://session-1/0x1000 a_b_?32');
	const text = (await files.readFile(uri)).toString();
	assert.equal(text.split('\n').length, 3);
	const events: unknown[] = [];
	files.onDidChangeFile(e => events.push(...e));
	const first = await files.stat(uri);
	assert.equal(first.size, text.length);

	await files.writeFile(uri, Buffer.from(text.replace('41 41', '61 62')));
	assert.equal(cells.toString('latin1', 0, 4), 'abAA');
	assert.deepEqual(session.asked.filter((a: any) => a[0] === 'writeMemory').map((a: any) => a[1].memoryReference), ['0x0000000000001000']);
	assert.deepEqual(events, []);
	later();
	assert.equal(events.length, 1);
	assert.ok((await files.stat(uri)).mtime > first.mtime);
	assert.match((await files.readFile(uri)).toString(), /abAAAAAAAAAAAAAA/);

	cells[20] = 0x7a;
	new Trackers().createDebugAdapterTracker(session).onDidSendMessage!({ type: 'event', event: 'stopped', seq: 1 });
	assert.equal(events.length, 2);
	assert.match((await files.readFile(uri)).toString(), /AAAAzAAA/);
	await assert.rejects(files.writeFile(uri, Buffer.from('x')), /must be 2 lines/);
	files.dispose();
});

test('what cannot be read is ??; a session that has ended keeps what was read', async () => {
	const { session } = memory(20);
	let there = true;
	const files = new MemoryFiles(() => (there ? session : undefined));
	const uri = memoryUri(session, 0x1000n, 32, '') as any;
	const text = (await files.readFile(uri)).toString();
	assert.match(text, /41 41 41 41 \?\? \?\?/);
	there = false;
	assert.equal((await files.readFile(uri)).toString(), text);
	await assert.rejects(files.writeFile(uri, Buffer.from(text.replace('41', '42'))), /has ended/);
	await assert.rejects(files.readFile(memoryUri(session, 1n, 1, '') as any), /has ended/);
	await assert.rejects(files.readFile(fake.Uri.from({ scheme: 'dap-windbg-memory', path: '/x' }) as any), /not found/);
	files.dispose();
});
