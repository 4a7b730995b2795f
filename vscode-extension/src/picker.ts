import * as vscode from 'vscode';
import { run } from './debugger';
import { host, variable } from './platform';
import { showLog, tellError } from './notify';
import { parseProcesses, sortProcesses, toItem, type Process } from './processes';
import { masked } from './resolve';

/** How long a far end may take to list its processes, in milliseconds. */
const listLimit = 30_000;

interface Item extends vscode.QuickPickItem {
	pid: number;
}

const refresh: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon('refresh'), tooltip: 'List again' };
const everybody: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon('organization'), tooltip: 'Show or hide processes of other users and the kernel' };

/**
 * Asks for a process, here or on a process server, and returns its number as text,
 * since that is what variables of a launch configuration are. undefined: nothing was
 * chosen, or there is nothing to choose from and the user knows why.
 */
export async function pickProcess(processServer?: string): Promise<string | undefined> {
	if (processServer !== undefined && !vscode.workspace.isTrusted) { // its connection string may name a program
		tellError(`The processes of ${masked(processServer)} are not listed for a folder that is not trusted. Trust the folder first.`);
		return undefined;
	}
	const box = vscode.window.createQuickPick<Item>();
	const stop = new AbortController();
	box.title = processServer === undefined ? 'Attach to a process of this machine' : `Attach to a process behind ${masked(processServer)}`;
	box.placeholder = 'Type a part of the name, the command line or the number';
	box.matchOnDescription = box.matchOnDetail = true;
	box.buttons = [refresh, everybody];
	let all = processServer !== undefined;
	let known: Process[] = [];
	const show = () => {
		const me = variable(host, host.os === 'win32' ? 'USERNAME' : 'USER') ?? '';
		box.items = sortProcesses(known, me, all).map(toItem);
	};
	const list = async () => {
		box.busy = true;
		try {
			known = await listProcesses(processServer, stop.signal);
			show();
		} catch (err) {
			if (!stop.signal.aborted) {
				box.hide();
				tellError(`The processes cannot be listed: ${masked((err as Error).message)}`, showLog);
			}
		}
		box.busy = false;
	};
	return new Promise(resolve => {
		box.onDidTriggerButton(b => {
			if (b === refresh) {
				void list();
			} else {
				all = !all;
				show();
			}
		});
		box.onDidAccept(() => {
			const chosen = box.selectedItems[0];
			if (chosen !== undefined) {
				resolve(String(chosen.pid));
				box.hide();
			}
		});
		box.onDidHide(() => {
			stop.abort();
			resolve(undefined);
			box.dispose();
		});
		box.show();
		void list();
	});
}

async function listProcesses(processServer: string | undefined, signal: AbortSignal): Promise<Process[]> {
	const args = ['ps', '--json', ...(processServer === undefined ? [] : ['--server', processServer])];
	return parseProcesses(await run(args, listLimit, signal));
}
