import * as vscode from 'vscode';
import { programName, sortProcesses, toItem, type Process } from './processes';
import { masked } from './resolve';
import { Tree, type Row } from './tree';

/** What is debugged, as the adapter's request `debuggee` has it. */
export interface Debuggee {
	state: 'stopped' | 'running' | 'gone';
	pid?: number;
	path?: string;
	os?: string;
	architecture?: string;
	server?: string;
	machine: boolean;
	postmortem: boolean;
	threads: Thread[];
}

export interface Thread {
	id: number;
	ordinal: number;
	tid: number;
	name?: string;
	selected?: boolean;
	event?: boolean;
	frozen?: boolean;
}

/** The view of the target: what is debugged with its threads, and what else runs there. */
export class Target extends Tree {
	constructor() {
		super('dap-windbg.target', ['threads']);
	}

	protected async rows(session: vscode.DebugSession): Promise<Row[]> {
		const d = (await session.customRequest('debuggee')) as Debuggee;
		const description = [d.postmortem ? 'post-mortem' : d.state, d.os, d.architecture, d.server].filter(Boolean).join(', ');
		const rows: Row[] = [{
			id: 'debuggee',
			label: title(d),
			description,
			tooltip: d.path ?? '',
			accessibilityInformation: { label: `${title(d)}, ${description}` },
			iconPath: new vscode.ThemeIcon(d.machine ? 'vm' : 'debug-alt'),
			collapsibleState: vscode.TreeItemCollapsibleState.Expanded,
			contextValue: 'debuggee',
			below: async () => d.threads.map(t => threadRow(d, t)),
		}];
		const far = farEnd(session.configuration);
		if (far !== undefined && !d.machine && !d.postmortem) {
			rows.push({
				id: 'others',
				label: 'Other processes',
				description: far === '' ? 'of this machine' : masked(far),
				iconPath: new vscode.ThemeIcon('server-process'),
				collapsibleState: vscode.TreeItemCollapsibleState.Collapsed,
				contextValue: 'processes',
				below: () => others(session, far, d.pid),
			});
		}
		if (d.machine) {
			rows.push({
				id: 'tasks',
				label: 'Tasks',
				description: 'of its system',
				tooltip: 'Look From This Task shows the stack of one in place of the processor\'s; here it goes back to the processor',
				iconPath: new vscode.ThemeIcon('list-tree'),
				collapsibleState: vscode.TreeItemCollapsibleState.Collapsed,
				contextValue: 'tasks',
				below: () => tasks(session),
			});
		}
		return rows;
	}
}

/** A process or thread that the system of a machine knows, on a processor or not. */
export interface Task {
	address: string;
	id: number;
	parent: number;
	name: string;
	state?: string;
	processor?: number;
}

async function tasks(session: vscode.DebugSession): Promise<Row[]> {
	const { tasks } = (await session.customRequest('tasks', {})) as { tasks: Task[] };
	return tasks.map(t => ({
		id: `task ${t.address}`,
		label: `${t.id}: ${t.name}`,
		description: [t.state, t.processor === undefined ? '' : `on processor ${t.processor}`].filter(Boolean).join('  '),
		tooltip: `${t.address}, child of ${t.parent}`,
		iconPath: new vscode.ThemeIcon(t.processor === undefined ? 'circle-outline' : 'play'),
		contextValue: 'task',
		about: t,
	}));
}

/** Where the processes beside the debuggee are: '' here, a connection string elsewhere, undefined when there is nobody to ask. */
export function farEnd(config: Record<string, unknown>): string | undefined {
	if (typeof config.processServer === 'string') {
		return config.processServer;
	}
	return ['connection', 'coreFile', 'remote'].some(a => config[a]) ? undefined : '';
}

async function others(session: vscode.DebugSession, processServer: string, pid: number | undefined): Promise<Row[]> {
	const { processes } = (await session.customRequest('processes', { processServer, __workspaceTrusted: vscode.workspace.isTrusted })) as { processes: Process[] };
	return sortProcesses(processes, '', false).filter(p => p.pid !== pid).map(p => {
		const item = toItem(p);
		return {
			id: `process ${p.pid}`, label: item.label, description: item.description, tooltip: p.command,
			accessibilityInformation: { label: `${item.label}, ${item.description}` },
			iconPath: new vscode.ThemeIcon('circle-outline'), contextValue: 'process', about: { processServer, pid: p.pid },
		};
	});
}

export function title(d: Debuggee): string {
	const name = d.path ? programName(d.path) : d.machine ? 'Machine' : 'Process';
	return d.pid ? `${name} (${d.pid})` : name;
}

function threadRow(d: Debuggee, t: Thread): Row {
	const marks = [t.event && d.state === 'stopped' ? 'stopped here' : '', t.frozen ? 'frozen' : ''].filter(Boolean);
	return {
		id: `thread ${t.id}`,
		label: `${t.ordinal}: ${t.name || (d.machine ? 'processor' : 'thread')}`,
		description: [String(t.tid), ...marks].join('  '),
		iconPath: new vscode.ThemeIcon(t.frozen ? 'debug-pause' : t.event ? 'debug-stackframe' : d.machine ? 'chip' : 'symbol-event'),
		contextValue: t.frozen ? 'thread.frozen' : 'thread',
		about: t,
	};
}
