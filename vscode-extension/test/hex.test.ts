import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EditError, edits, format } from '../src/hex';

const bytes = [...Buffer.from('Hello, world!\n\0\x7f ABC'), undefined, undefined];
const text = '0x00007ffe00001000  48 65 6c 6c 6f 2c 20 77  6f 72 6c 64 21 0a 00 7f  Hello, world!...\n' +
	'0x00007ffe00001010  20 41 42 43 ?? ??'.padEnd(70) + ' ABC??\n';
const at = 0x7ffe00001000n;

test('memory is lines of sixteen bytes', () => {
	assert.equal(format(at, bytes), text);
	assert.equal(format(0xfffffffffffffff0n, [1]), '0xfffffffffffffff0  01'.padEnd(70) + '.\n');
	assert.equal(format(at, []), '');
});

test('what was changed is found, and neighbours are written at once', () => {
	const cases: [string, string, [bigint, number[]][]][] = [
		['', '', []],
		['48 65', '4A 65', [[at, [0x4a]]]],
		['6c 6c', '6d 6e', [[at + 2n, [0x6d, 0x6e]]]],
		['7f  Hello', '80  Hello', [[at + 15n, [0x80]]]],
		['Hello, world', 'anything else', []],
		['20 41', '21 42', [[at + 16n, [0x21, 0x42]]]],
		['\n', '\r\n', []],
	];
	for (const [from, to, want] of cases) {
		assert.deepEqual(edits(at, bytes, text.replaceAll(from, to)).map(e => [e.address, e.bytes]), want, to);
	}
	assert.deepEqual(edits(at, bytes, text.replace('00 7f', '01 7e').replace('20 41', '22 41')), [{ address: at + 14n, bytes: [1, 0x7e, 0x22] }], 'across lines');
	assert.deepEqual(edits(at, bytes, text.replace('?? ??', '2a ??')), [{ address: at + 20n, bytes: [0x2a] }], 'bytes that could not be read');
});

test('what is no memory any more is refused', () => {
	const cases: [string, string, RegExp][] = [
		['0x00007ffe00001010', '0x00007ffe00001020', /addresses cannot be changed/],
		['6c 6c', '6c', /two hexadecimal digits/],
		['48 65', '4g 65', /Byte 0 of the line of 0x00007ffe00001000 is "4g"/],
		['48 65', '?? 65', /is "\?\?"/],
		['\n0x00007ffe00001010', '\n\n0x1\n0x00007ffe00001010', /must be 2 lines, not 3/],
	];
	for (const [from, to, want] of cases) {
		assert.throws(() => edits(at, bytes, text.replace(from, to)), (e: Error) => e instanceof EditError && want.test(e.message), to);
	}
});

test('text and bytes go back and forth', () => {
	for (let length = 0; length < 70; length++) {
		const some = Array.from({ length }, (_, i) => (i * 37) & 0xff);
		const other = some.map(b => b ^ 0xff);
		const found = edits(at, some, format(at, other));
		assert.deepEqual(found.flatMap(e => e.bytes), other);
		assert.ok(found.length <= 1);
	}
});
