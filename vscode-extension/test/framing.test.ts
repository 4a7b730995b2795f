import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decoder, encode, type Message } from '../src/framing';

function decode(pieces: Buffer[]): unknown[] {
	const out: Message[] = [];
	const d = new Decoder(m => out.push(m));
	pieces.forEach(p => d.push(p));
	return out;
}

test('messages come whole however they are cut', () => {
	const messages = [{ seq: 1, type: 'event', event: 'output', body: { output: 'grüß dich 🐞\r\n\r\nContent-Length: 5' } }, { seq: 2, type: 'response' }, { seq: 3, type: 'event' }];
	const all = Buffer.concat(messages.map(encode));
	assert.deepEqual(decode([all]), messages);
	for (let size = 1; size < 40; size++) {
		const pieces: Buffer[] = [];
		for (let at = 0; at < all.length; at += size) {
			pieces.push(all.subarray(at, at + size));
		}
		assert.deepEqual(decode(pieces), messages, `in pieces of ${size}`);
	}
});

test('other headers are passed over; garbage is refused', () => {
	assert.deepEqual(decode([Buffer.from('content-type: x\r\nCONTENT-LENGTH:  2 \r\n\r\n{}')]), [{}]);
	for (const bad of ['Hello\r\n\r\n{}', 'Content-Length: x\r\n\r\n', 'Content-Length: 99999999999\r\n\r\n', 'Content-Length: 3\r\n\r\n{]}']) {
		assert.throws(() => decode([Buffer.from(bad)]), bad);
	}
});

test('a large message that comes in small pieces takes time in proportion to its size', () => {
	const message = { seq: 1, type: 'event', body: 'x'.repeat(3 << 20) };
	const all = encode(message);
	let joined = 0;
	const concat = Buffer.concat;
	Buffer.concat = ((list: Buffer[]) => {
		joined++;
		return concat(list);
	}) as typeof Buffer.concat;
	try {
		const pieces: Buffer[] = [];
		for (let at = 0; at < all.length; at += 4096) {
			pieces.push(all.subarray(at, at + 4096));
		}
		assert.deepEqual(decode(pieces), [message]);
	} finally {
		Buffer.concat = concat;
	}
	assert.ok(joined <= 2, `joined ${joined} times`);
});
