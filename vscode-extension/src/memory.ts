import * as vscode from 'vscode';
import { addressText, edits, format, type Bytes } from './hex';
import { log } from './log';
import { onChange } from './tracker';

/** Memory is a file of this scheme: //SESSION/ADDRESS NAME?LENGTH. */
export const scheme = 'dap-windbg-memory';

/** How much is shown unless a length is asked for, in bytes, and the most that is. */
export const usual = 0x200;
export const most = 0x10000;

/** How long an editor is given to finish saving, in milliseconds. */
const afterSave = 200;

interface Open {
	uri: vscode.Uri;
	session: string;
	address: bigint;
	length: number;
	bytes: Bytes;
	version: number;
}

/** The file that shows length bytes at address. */
export function memoryUri(session: vscode.DebugSession, address: bigint, length: number, name: string): vscode.Uri {
	const tail = name === '' ? '' : ` ${name.replace(/[/\\?#]/g, '_')}`;
	return vscode.Uri.from({ scheme, authority: session.id, path: `/0x${address.toString(16)}${tail}`, query: String(length) });
}

/** Memory as files: editors read and save them, and show anew what has changed. */
export class MemoryFiles implements vscode.FileSystemProvider, vscode.Disposable {
	private readonly changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
	readonly onDidChangeFile = this.changed.event;
	private readonly open = new Map<string, Open>();
	private readonly parts: vscode.Disposable[] = [];

	constructor(private readonly sessions: (id: string) => vscode.DebugSession | undefined) {
		this.parts.push(
			vscode.workspace.registerFileSystemProvider(scheme, this, { isCaseSensitive: true }),
			onChange(e => e.change === 'values' && this.stale(o => o.session === e.session.id)),
			vscode.workspace.onDidCloseTextDocument(d => this.open.delete(d.uri.toString())),
		);
	}

	watch(): vscode.Disposable {
		return new vscode.Disposable(() => undefined);
	}

	async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
		const o = await this.get(uri);
		return { type: vscode.FileType.File, ctime: 0, mtime: o.version, size: Buffer.byteLength(format(o.address, o.bytes)) };
	}

	async readFile(uri: vscode.Uri): Promise<Uint8Array> {
		const o = await this.get(uri);
		if (this.sessions(o.session) !== undefined) { // afterwards: what was read last
			o.bytes = await this.read(o);
		}
		return Buffer.from(format(o.address, o.bytes));
	}

	async writeFile(uri: vscode.Uri, content: Uint8Array): Promise<void> {
		const o = await this.get(uri);
		for (const e of edits(o.address, o.bytes, Buffer.from(content).toString('utf8'))) {
			log().debug(`writing ${e.bytes.length} bytes at ${addressText(e.address)}`);
			await this.session(o).customRequest('writeMemory', { memoryReference: addressText(e.address), data: Buffer.from(e.bytes).toString('base64') });
		}
		o.bytes = await this.read(o);
		// The characters follow from the bytes. An editor reads them when the file is younger than what it has just saved.
		setTimeout(() => this.stale(other => other.session === o.session), afterSave);
	}

	/** Says that what matches must be read again. */
	private stale(which: (o: Open) => boolean): void {
		const gone = [...this.open.values()].filter(which);
		gone.forEach(o => o.version++);
		this.changed.fire(gone.map(o => ({ type: vscode.FileChangeType.Changed, uri: o.uri })));
	}

	private async get(uri: vscode.Uri): Promise<Open> {
		const key = uri.toString();
		let o = this.open.get(key);
		if (o === undefined) {
			const found = /^\/(0x[0-9a-f]+)/i.exec(uri.path);
			if (!found) {
				throw vscode.FileSystemError.FileNotFound(uri);
			}
			o = { uri, session: uri.authority, address: BigInt(found[1]!), length: Math.min(Number(uri.query) || usual, most), bytes: [], version: Date.now() };
			o.bytes = await this.read(o);
			this.open.set(key, o);
		}
		return o;
	}

	private session(o: Open): vscode.DebugSession {
		const s = this.sessions(o.session);
		if (s === undefined) {
			throw vscode.FileSystemError.Unavailable('The debug session of this memory has ended.');
		}
		return s;
	}

	private async read(o: Open): Promise<Bytes> {
		const body = (await this.session(o).customRequest('readMemory', { memoryReference: addressText(o.address), count: o.length })) as { data?: string };
		const got = Buffer.from(body?.data ?? '', 'base64');
		return Array.from({ length: o.length }, (_, i) => got[i]);
	}

	createDirectory(): never {
		throw vscode.FileSystemError.NoPermissions('Memory has no folders.');
	}

	readDirectory(): [string, vscode.FileType][] {
		return [];
	}

	delete(): never {
		throw vscode.FileSystemError.NoPermissions('Memory cannot be deleted.');
	}

	rename(): never {
		throw vscode.FileSystemError.NoPermissions('Memory cannot be renamed.');
	}

	dispose(): void {
		this.parts.forEach(p => p.dispose());
	}
}
