import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Adapter, type Listener } from '../src/adapter';
import { reason, sentences } from '../src/factory';
import type { Message } from '../src/framing';

/** A debugger made of a few lines of JavaScript, which has `send` and `on` of its own. */
const preamble = `
	const send = m => { const t = JSON.stringify(m); process.stdout.write('Content-Length: ' + Buffer.byteLength(t) + '\\r\\n\\r\\n' + t); };
	let buffered = '';
	const on = f => process.stdin.on('data', d => { buffered += d; for (let m; m = /^Content-Length: (\\d+)\\r\\n\\r\\n/.exec(buffered);) {
		const t = buffered.slice(m[0].length, m[0].length + +m[1]); buffered = buffered.slice(m[0].length + +m[1]); f(JSON.parse(t)); } });
`;

interface Talk {
	adapter: Adapter;
	got: Message[];
	told: string[];
	/** Waits until a message or something told matches. */
	until(test: () => boolean): Promise<void>;
}

function talk(script: string, refused: (m: Message) => boolean = () => true): Talk {
	const got: Message[] = [], told: string[] = [];
	let wake = (): void => undefined;
	const tell = (text: string): void => {
		told.push(text);
		wake();
	};
	const listener: Listener = {
		complaint: line => tell(`complaint: ${line}`),
		lost: why => tell(`lost: ${why}`),
		refused: m => {
			tell(`refused: ${reason(m)}`);
			return refused(m);
		},
	};
	const adapter = new Adapter(process.execPath, ['-e', preamble + script], undefined, listener);
	adapter.onDidSendMessage(m => {
		got.push(m as Message);
		wake();
	});
	const until = async (test: () => boolean): Promise<void> => {
		while (!test()) {
			await new Promise<void>(resolve => (wake = resolve));
		}
	};
	return { adapter, got, told, until };
}

const ended = (t: Talk) => (): boolean => t.got.some(m => m.event === 'terminated');

test('messages go both ways, and an orderly end is no fault', async () => {
	const t = talk(`on(m => { send({ type: 'response', request_seq: m.seq, command: m.command, success: true, body: m.arguments }); if (m.command === 'disconnect') process.stdin.destroy(); });`);
	t.adapter.handleMessage({ seq: 1, type: 'request', command: 'threads', arguments: { name: 'ü' } } as never);
	await t.until(() => t.got.length === 1);
	assert.deepEqual(t.got[0]!.body, { name: 'ü' });
	t.adapter.handleMessage({ seq: 2, type: 'request', command: 'disconnect' } as never);
	await t.until(ended(t));
	assert.deepEqual(t.told, []);
});

test('a debugger that ends by itself is told, with what it complained about', async () => {
	const t = talk(`process.stderr.write('out of luck\\nlast words'); process.exitCode = 3;`);
	await t.until(ended(t));
	assert.deepEqual(t.told, ['complaint: out of luck', 'complaint: last words', 'lost: exit status 3']);
});

test('a program that cannot be started is told', async () => {
	const told: string[] = [], got: Message[] = [];
	const adapter = new Adapter('/gone/dap-windbg', [], undefined, { complaint: () => undefined, lost: why => told.push(why), refused: () => true });
	await new Promise<void>(resolve => adapter.onDidSendMessage(m => resolve(void got.push(m as Message))));
	assert.match(told.join(), /ENOENT/);
	assert.equal(got[0]!.event, 'terminated');
});

test('garbage on standard output ends the session', async () => {
	const t = talk(`process.stdout.write('usage: dap-windbg\\r\\n\\r\\n'); on(() => 0);`);
	await t.until(ended(t));
	assert.match(t.told[0]!, /complaint: unreadable answer/);
	assert.match(t.told.at(-1)!, /lost: ended by SIGTERM/);
});

test('a refused start is told once, with its reason', async () => {
	for (const told of [true, false]) {
		const t = talk(`on(m => { send({ type: 'response', request_seq: m.seq, command: m.command, success: false, message: 'short', body: { error: { id: 5, format: 'no {what} here', variables: { what: 'gdbserver' }, showUser: true } } }); process.stdin.destroy(); });`, () => told);
		t.adapter.handleMessage({ seq: 1, type: 'request', command: 'launch' } as never);
		await t.until(ended(t));
		assert.deepEqual(t.told, ['refused: no gdbserver here']);
		const error = (t.got[0]!.body as { error: { showUser: boolean; id: number } }).error;
		assert.deepEqual([error.id, error.showUser], [5, !told]);
	}
});

test('an editor that goes ends the debugger', async () => {
	const t = talk(`on(() => 0); process.stdin.on('end', () => process.exit(0)); send({ type: 'event', event: 'ready' });`);
	await t.until(() => t.got.length === 1);
	t.adapter.dispose();
	await t.until(ended(t));
	assert.deepEqual(t.told, []);
});

test('a stack that was given up is an empty one; other refusals stay', async () => {
	const t = talk(`on(m => send({ type: 'response', request_seq: m.seq, command: m.command, success: false, message: m.arguments.message }));`);
	const asked = [['stackTrace', 'cancelled'], ['stackTrace', 'notStopped'], ['variables', 'cancelled']];
	asked.forEach(([command, message], seq) => t.adapter.handleMessage({ seq, type: 'request', command, arguments: { message } } as never));
	await t.until(() => t.got.length === 3);
	assert.deepEqual(t.got.map(m => [m.success, m.body]), [[true, { stackFrames: [] }], [false, undefined], [false, undefined]]);
	t.adapter.dispose();
});

test('lines become sentences', () => {
	assert.equal(sentences('gdbserver is not installed here\ninstall it (apt-get install gdbserver)\n'), 'gdbserver is not installed here. Install it (apt-get install gdbserver)');
	assert.equal(sentences('One.\n\n  two'), 'One. Two');
});
