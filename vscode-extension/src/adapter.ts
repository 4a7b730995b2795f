import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import * as vscode from 'vscode';
import { Decoder, encode, type Message } from './framing';

/** How long the debugger has to part from its debuggee before it is ended, in milliseconds. */
const partLimit = 6000;

/** What an adapter tells those around it. */
export interface Listener {
	/** A line that the debugger wrote to its standard error. */
	complaint(line: string): void;
	/** The process is gone although nobody asked it to leave. */
	lost(why: string): void;
	/** A request that starts the session was refused. Returns whether the user has been told. */
	refused(message: Message): boolean;
}

/**
 * Adapter is the debugger's process, spoken to over its standard input and output.
 * VS Code can start such a process by itself, but keeps its standard error and its
 * exit status to itself.
 */
export class Adapter implements vscode.DebugAdapter {
	private readonly sent = new vscode.EventEmitter<vscode.DebugProtocolMessage>();
	readonly onDidSendMessage = this.sent.event;
	private readonly child: ChildProcessWithoutNullStreams;
	private leaving = false;
	private ended = false;

	constructor(program: string, args: readonly string[], folder: string | undefined, private readonly listener: Listener) {
		this.child = spawn(program, args, { cwd: folder, stdio: 'pipe', windowsHide: true });
		const decoder = new Decoder(m => this.deliver(m));
		this.child.stdout.on('data', (piece: Buffer) => {
			try {
				decoder.push(piece);
			} catch (err) {
				this.listener.complaint(`unreadable answer: ${String(err)}`);
				this.child.kill();
			}
		});
		lines(this.child.stderr, line => this.listener.complaint(line));
		this.child.stdin.on('error', () => undefined); // its end is told by 'close'
		this.child.on('error', err => this.end(err.message));
		this.child.on('close', (code, signal) => this.end(signal === null ? `exit status ${code}` : `ended by ${signal}`));
	}

	handleMessage(message: vscode.DebugProtocolMessage): void {
		const command = (message as Message).command;
		if (command === 'disconnect' || command === 'terminate') {
			this.leaving = true;
		}
		this.child.stdin.write(encode(message));
	}

	dispose(): void {
		this.leaving = true;
		this.child.stdin.end(); // the debugger parts from its debuggee, then leaves
		setTimeout(() => this.ended || this.child.kill('SIGKILL'), partLimit).unref();
	}

	private deliver(m: Message): void {
		if (m.type === 'response' && m.success === false && (m.command === 'launch' || m.command === 'attach')) {
			this.leaving = true;
			if (this.listener.refused(m)) {
				hush(m);
			}
		}
		if (m.type === 'response' && m.command === 'stackTrace' && m.message === 'cancelled') {
			// VS Code gives up a stack that it asks for anew, and then shows the refusal below the new one.
			Object.assign(m, { success: true, body: { stackFrames: [] } });
		}
		if (m.type === 'event' && m.event === 'terminated') {
			this.leaving = true;
		}
		this.sent.fire(m);
	}

	private end(why: string): void {
		if (this.ended) {
			return;
		}
		this.ended = true;
		if (!this.leaving) {
			this.listener.lost(why);
		}
		this.sent.fire({ type: 'event', event: 'terminated', seq: 0 } as Message);
	}
}

/** Keeps VS Code from telling a second time what the user has been told. */
function hush(m: Message): void {
	const body = (m.body ?? {}) as { error?: Record<string, unknown> };
	m.body = { ...body, error: { id: 0, format: m.message ?? '', ...body.error, showUser: false } };
}

/** Calls take for each line of a stream. */
function lines(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
	let rest = '';
	stream.setEncoding('utf8');
	stream.on('data', (piece: string) => {
		const all = (rest + piece).split(/\r?\n/);
		rest = all.pop()!.slice(-4096);
		all.forEach(take);
	});
	stream.on('end', () => rest === '' || take(rest));
}
