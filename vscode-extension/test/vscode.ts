/**
 * A stand-in for the `vscode` module: what the extension uses of it, doing as little as
 * tests can see. `answers` is what the user chooses, `said` what he was told.
 */
import type * as real from 'vscode';

type Listener<T> = (e: T) => unknown;

export class Disposable {
	constructor(private readonly end: () => unknown) {}
	dispose(): void {
		this.end();
	}
}

export class EventEmitter<T> {
	private readonly listeners = new Set<Listener<T>>();
	readonly event = (l: Listener<T>): Disposable => {
		this.listeners.add(l);
		return new Disposable(() => this.listeners.delete(l));
	};
	fire(e: T): void {
		[...this.listeners].forEach(l => l(e));
	}
	dispose(): void {
		this.listeners.clear();
	}
}

export class ThemeIcon {
	constructor(readonly id: string, readonly color?: ThemeColor) {}
}
export class ThemeColor {
	constructor(readonly id: string) {}
}

export class Uri {
	private constructor(readonly scheme: string, readonly path: string, readonly query: string, readonly authority = '') {}
	static from(p: { scheme: string; path: string; query?: string; authority?: string }): Uri {
		return new Uri(p.scheme, p.path, p.query ?? '', p.authority);
	}
	static file(path: string): Uri {
		return new Uri('file', path, '');
	}
	get fsPath(): string {
		return this.path;
	}
	toString(): string {
		return `${this.scheme}:${this.authority && `//${this.authority}`}${this.path}${this.query && `?${this.query}`}`;
	}
}

export class FileSystemError extends Error {
	static readonly FileNotFound = (u: unknown): FileSystemError => new FileSystemError(`not found: ${u}`);
	static readonly Unavailable = (u: unknown): FileSystemError => new FileSystemError(String(u));
	static readonly NoPermissions = (u: unknown): FileSystemError => new FileSystemError(String(u));
}

export class DebugAdapterInlineImplementation {
	constructor(readonly implementation: real.DebugAdapter) {}
}
export class DebugStackFrame {
	constructor(readonly session: real.DebugSession, readonly threadId: number, readonly frameId: number) {}
}

export class RelativePattern {
	constructor(readonly folder: any, readonly pattern: string) {}
}

export const DebugConfigurationProviderTriggerKind = { Initial: 1, Dynamic: 2 };
export const TreeItemCollapsibleState = { None: 0, Collapsed: 1, Expanded: 2 };
export const FileType = { File: 1 };
export const FileChangeType = { Changed: 1, Created: 2, Deleted: 3 };
export const ViewColumn = { Beside: -2 };
export const ConfigurationTarget = { Global: 1 };
export const LogLevel = { Off: 0, Trace: 1, Debug: 2, Info: 3 };

/** What happened and what is to happen; `reset` empties it between tests. */
export const said: string[] = [];
export const answers: unknown[] = [];
export const settings = new Map<string, unknown>();
export const started: unknown[] = [];
export const ran: [string, ...unknown[]][] = [];
export const logged: string[] = [];
export const handlers = new Map<string, (...args: unknown[]) => unknown>();
export const boxes: FakeQuickPick[] = [];
export const consoleText: string[] = [];

export function reset(): void {
	[said, answers, started, ran, logged, boxes, consoleText].forEach(l => (l.length = 0));
	settings.clear();
	handlers.clear();
	workspace.isTrusted = true;
	debug.activeDebugSession = debug.activeStackItem = undefined;
	window.activeTextEditor = undefined;
	env.copied = '';
}

/** What the user answers next; a function sees the question. */
function answer(...question: any[]): Promise<any> {
	const next = answers.shift();
	return Promise.resolve(typeof next === 'function' ? next(...question) : next);
}

export class FakeQuickPick {
	items: any[] = [];
	selectedItems: any[] = [];
	buttons: any[] = [];
	busy = false;
	title = '';
	placeholder = '';
	matchOnDescription = false;
	matchOnDetail = false;
	shown = false;
	readonly accepted = new EventEmitter<void>();
	readonly pressed = new EventEmitter<any>();
	readonly hidden = new EventEmitter<void>();
	readonly onDidAccept = this.accepted.event;
	readonly onDidTriggerButton = this.pressed.event;
	readonly onDidHide = this.hidden.event;
	show(): void {
		this.shown = true;
	}
	hide(): void {
		if (this.shown) {
			this.shown = false;
			this.hidden.fire();
		}
	}
	dispose(): void {}
	choose(item: any): void {
		this.selectedItems = [item];
		this.accepted.fire();
	}
}

const write = (...text: unknown[]): void => void logged.push(text.join(' '));

export const window = {
	activeTextEditor: undefined as unknown,
	createOutputChannel: () => ({ error: write, warn: write, info: write, debug: write, trace: write, show: () => ran.push(['log.show']), dispose: () => undefined, logLevel: LogLevel.Trace }),
	showErrorMessage: (text: string, ...buttons: { title: string }[]) => {
		said.push(text);
		const wanted = answers.shift();
		return Promise.resolve(buttons.find(b => b.title === wanted));
	},
	showInformationMessage: (text: string) => {
		said.push(text);
		return Promise.resolve(undefined);
	},
	showQuickPick: answer,
	showInputBox: answer,
	showOpenDialog: answer,
	showTextDocument: (what: unknown) => Promise.resolve(ran.push(['showTextDocument', what])),
	createQuickPick: () => {
		const box = new FakeQuickPick();
		boxes.push(box);
		return box;
	},
	registerTreeDataProvider: () => new Disposable(() => undefined),
};

export const commands = {
	registerCommand: (name: string, act: (...args: unknown[]) => unknown) => {
		handlers.set(name, act);
		return new Disposable(() => handlers.delete(name));
	},
	executeCommand: (...args: [string, ...unknown[]]) => Promise.resolve(void ran.push(args)),
};

export const workspace = {
	isTrusted: true,
	workspaceFolders: undefined as unknown,
	getConfiguration: (section: string) => ({
		get: (name: string) => settings.get(`${section}.${name}`) ?? { executable: '' }[name],
		update: (name: string, value: unknown) => Promise.resolve(void settings.set(`${section}.${name}`, value)),
	}),
	registerFileSystemProvider: () => new Disposable(() => undefined),
	onDidCloseTextDocument: new EventEmitter<unknown>().event,
	findFiles: (pattern: RelativePattern) => Promise.resolve(pattern.folder.files ?? []),
	asRelativePath: (uri: Uri) => uri.path.split('/').slice(-1)[0],
	openTextDocument: (uri: unknown) => Promise.resolve({ uri }),
};

export const sessionChanged = new EventEmitter<unknown>();

export const debug = {
	activeDebugSession: undefined as unknown,
	activeStackItem: undefined as unknown,
	activeDebugConsole: { append: (t: string) => consoleText.push(t), appendLine: (t: string) => consoleText.push(t + '\n') },
	onDidChangeActiveDebugSession: sessionChanged.event,
	onDidChangeActiveStackItem: new EventEmitter<unknown>().event,
	onDidStartDebugSession: new EventEmitter<unknown>().event,
	onDidTerminateDebugSession: new EventEmitter<unknown>().event,
	registerDebugConfigurationProvider: () => new Disposable(() => undefined),
	registerDebugAdapterDescriptorFactory: () => new Disposable(() => undefined),
	registerDebugAdapterTrackerFactory: () => new Disposable(() => undefined),
	startDebugging: (_: unknown, config: unknown) => Promise.resolve(Boolean(started.push(config))),
};

export const env = { copied: '', clipboard: { writeText: (t: string) => Promise.resolve(void (env.copied = t)) } };

/** A session that answers requests from a table and remembers them. */
export function fakeSession(table: Record<string, (args: any) => unknown>, configuration: object = {}): any {
	const asked: [string, any][] = [];
	return {
		id: 'session-1', type: 'dap-windbg', name: 'Test', configuration, asked,
		customRequest: async (command: string, args: any) => {
			asked.push([command, args]);
			const f = table[command];
			if (f === undefined) {
				throw new Error(`no answer to ${command}`);
			}
			return f(args);
		},
	};
}
