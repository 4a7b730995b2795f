/** The wire form of the Debug Adapter Protocol: a Content-Length header, an empty line, JSON in UTF-8. */

/** A message of the protocol, as much of it as the extension looks at. */
export interface Message {
	seq: number;
	type: 'request' | 'response' | 'event';
	command?: string;
	event?: string;
	arguments?: unknown;
	request_seq?: number;
	success?: boolean;
	message?: string;
	body?: unknown;
}

const separator = Buffer.from('\r\n\r\n');

/** The largest message that is believed, in bytes: a length beyond it is garbage. */
const largest = 256 << 20;

export function encode(message: unknown): Buffer {
	const content = Buffer.from(JSON.stringify(message), 'utf8');
	return Buffer.concat([Buffer.from(`Content-Length: ${content.length}\r\n\r\n`, 'ascii'), content]);
}

/** Decoder puts messages together from the pieces in which they arrive. */
export class Decoder {
	private pieces: Buffer[] = [];
	private size = 0;
	private need = 0; // bytes that must be there before looking again is worth it

	constructor(private readonly receive: (message: Message) => void) {}

	/** Takes what came. Throws when it is no message of the protocol. */
	push(piece: Buffer): void {
		this.pieces.push(piece);
		this.size += piece.length;
		while (this.size >= this.need && this.next()) {
			// one message after the other
		}
	}

	private next(): boolean {
		const all = this.pieces.length === 1 ? this.pieces[0]! : Buffer.concat(this.pieces);
		this.pieces = [all];
		const end = all.indexOf(separator);
		if (end < 0) {
			this.need = this.size + 1;
			return false;
		}
		const length = contentLength(all.toString('ascii', 0, end));
		const from = end + separator.length;
		this.need = from + length;
		if (this.size < this.need) {
			return false;
		}
		const content = all.toString('utf8', from, this.need);
		const rest = all.subarray(this.need);
		this.pieces = rest.length > 0 ? [rest] : [];
		this.size = rest.length;
		this.need = 1;
		this.receive(JSON.parse(content) as Message);
		return true;
	}
}

function contentLength(header: string): number {
	for (const line of header.split('\r\n')) {
		const found = /^content-length:\s*(\d+)\s*$/i.exec(line);
		if (found) {
			const n = Number(found[1]);
			if (n <= largest) {
				return n;
			}
		}
	}
	throw new Error(`no usable Content-Length in ${JSON.stringify(header.slice(0, 80))}`);
}
