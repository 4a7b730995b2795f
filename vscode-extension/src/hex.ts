/** Memory as text that can be edited: an address, 16 bytes in hex, the same as characters, a line. */

const perLine = 16;
const unknown = '??';

/** Bytes of memory; undefined where they cannot be read. */
export type Bytes = readonly (number | undefined)[];

/** Writes bytes that begin at address as text. */
export function format(address: bigint, bytes: Bytes): string {
	const out: string[] = [];
	for (let at = 0; at < bytes.length; at += perLine) {
		const line = bytes.slice(at, at + perLine);
		const digits = line.map(b => (b === undefined ? unknown : b.toString(16).padStart(2, '0')));
		const left = digits.slice(0, 8).join(' ').padEnd(23);
		const right = digits.slice(8).join(' ').padEnd(23);
		out.push(`${addressText(address + BigInt(at))}  ${left}  ${right}  ${line.map(character).join('')}`);
	}
	return out.map(l => l + '\n').join('');
}

export function addressText(a: bigint): string {
	return `0x${a.toString(16).padStart(16, '0')}`;
}

function character(b: number | undefined): string {
	return b === undefined ? '?' : b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '.';
}

/** Bytes that are to be written at address. */
export interface Edit {
	address: bigint;
	bytes: number[];
}

/** A line of edited text that is no memory any more. */
export class EditError extends Error {}

/**
 * Compares edited text with what is there. What stands right of the bytes is not
 * read: it follows from them. Throws EditError where a line has other addresses or
 * another number of bytes, since then nobody knows what was meant.
 */
export function edits(address: bigint, bytes: Bytes, text: string): Edit[] {
	const lines = text.split(/\r?\n/).filter(l => l.trim() !== '');
	if (lines.length !== Math.ceil(bytes.length / perLine)) {
		throw new EditError(`There must be ${Math.ceil(bytes.length / perLine)} lines, not ${lines.length}: bytes can be changed, not added or taken away.`);
	}
	const out: Edit[] = [];
	lines.forEach((line, n) => {
		const have = bytes.slice(n * perLine, (n + 1) * perLine);
		const start = address + BigInt(n * perLine);
		parseLine(line, start, have).forEach((b, i) => {
			if (b === have[i] || b === undefined) {
				return;
			}
			const at = start + BigInt(i);
			const last = out.at(-1);
			if (last !== undefined && last.address + BigInt(last.bytes.length) === at) {
				last.bytes.push(b);
			} else {
				out.push({ address: at, bytes: [b] });
			}
		});
	});
	return out;
}

function parseLine(line: string, address: bigint, have: Bytes): (number | undefined)[] {
	const where = addressText(address);
	const words = line.trim().split(/\s+/);
	if (words[0]?.toLowerCase() !== where) {
		throw new EditError(`The line of ${where} begins with ${words[0]}: addresses cannot be changed.`);
	}
	return have.map((old, i) => {
		const word = words[i + 1] ?? '';
		if (word === unknown && old === undefined) {
			return undefined;
		}
		if (!/^[0-9a-f]{2}$/i.test(word)) {
			throw new EditError(`Byte ${i} of the line of ${where} is ${JSON.stringify(word)}: two hexadecimal digits are wanted.`);
		}
		return parseInt(word, 16);
	});
}
