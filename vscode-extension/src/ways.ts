import * as vscode from 'vscode';
import type { Configuration } from './resolve';
import { section } from './settings';

/** A way to start debugging that is offered where there is no launch.json. */
interface Way extends vscode.QuickPickItem {
	key: string;
	ask(folder: vscode.WorkspaceFolder | undefined): Promise<Record<string, unknown> | undefined>;
	request: 'launch' | 'attach';
}

const ways: Way[] = [
	{
		key: 'program', label: '$(play) Launch a program', detail: 'Start it under gdbserver on this machine', request: 'launch',
		ask: folder => askFile('Program to debug', 'program', folder),
	},
	{
		key: 'process', label: '$(plug) Attach to a process', detail: 'Of this machine; a list follows', request: 'attach',
		ask: async () => ({}),
	},
	{
		key: 'gdbserver', label: '$(remote) Attach to a gdbserver', detail: 'A program that runs under gdbserver elsewhere; asks for host and port', request: 'attach',
		ask: async () => {
			const place = await askHostAndPort();
			return place && { connection: connectionString(place) };
		},
	},
	{
		key: 'server', label: '$(server-process) Attach to a process on a process server', detail: 'A machine that runs gdbserver --multi; asks for host and port, then lists its processes', request: 'attach',
		ask: async () => {
			const place = await askHostAndPort();
			return place && { processServer: connectionString(place) };
		},
	},
	{
		key: 'core', label: '$(file-binary) Open a core file', detail: 'Look at a program that crashed', request: 'attach',
		ask: folder => askFile('Core file to look at', 'coreFile', folder),
	},
];

/** Asks how to start. undefined: nothing was chosen. */
export async function chooseWay(folder: vscode.WorkspaceFolder | undefined): Promise<Configuration | undefined> {
	const way = await vscode.window.showQuickPick(ways, { title: 'Debug with dap-windbg', placeHolder: 'How to start', matchOnDetail: true });
	return way && fill(way, folder);
}

/** Starts debugging in the way with this key; without one, asks for it. */
export async function start(key?: string): Promise<void> {
	const folder = vscode.workspace.workspaceFolders?.[0];
	const way = ways.find(w => w.key === key);
	const config = way === undefined ? await chooseWay(folder) : await fill(way, folder);
	if (config !== undefined) {
		await vscode.debug.startDebugging(folder, config);
	}
}

async function fill(way: Way, folder: vscode.WorkspaceFolder | undefined): Promise<Configuration | undefined> {
	const more = await way.ask(folder);
	return more && { type: section, request: way.request, name: way.label.replace(/^\$\([\w-]+\) /, ''), ...more };
}

async function askFile(title: string, attribute: string, folder: vscode.WorkspaceFolder | undefined): Promise<Record<string, unknown> | undefined> {
	const chosen = await vscode.window.showOpenDialog({ title, openLabel: 'Debug', ...(folder && { defaultUri: folder.uri }) });
	const file = chosen?.[0]?.fsPath;
	return file === undefined ? undefined : { [attribute]: file };
}

export interface Place {
	host: string;
	port: number;
}

async function askHostAndPort(): Promise<Place | undefined> {
	const text = await vscode.window.showInputBox({
		title: 'Where gdbserver listens', prompt: 'HOST:PORT', value: 'localhost:1234', valueSelection: [0, 'localhost'.length], ignoreFocusOut: true,
		validateInput: t => (parsePlace(t) === undefined ? 'Write HOST:PORT, for example board7:1234 or [fe80::1]:1234; the port is a number from 1 to 65535' : undefined),
	});
	return text === undefined ? undefined : parsePlace(text);
}

/** Reads HOST:PORT; the host may be an IPv6 address in brackets. */
export function parsePlace(text: string): Place | undefined {
	const found = /^\s*(?:\[([0-9a-f:.%\w]+)\]|([^\s:,[\]]+))?:(\d{1,5})\s*$/i.exec(text);
	const port = Number(found?.[3]);
	if (!found || port < 1 || port > 65535) {
		return undefined;
	}
	return { host: found[1] ?? found[2] ?? 'localhost', port };
}

export function connectionString(p: Place): string {
	return `gdb:server=${p.host},port=${p.port}`;
}
