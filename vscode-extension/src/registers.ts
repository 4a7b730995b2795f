import * as vscode from 'vscode';
import { frameOf } from './session';
import { Tree, type Row } from './tree';

/** A variable, as much of it as a register has. */
interface Variable {
	name: string;
	value: string;
	variablesReference: number;
	memoryReference?: string;
	evaluateName?: string;
}

/** What commands of a register's menu need. */
export interface Register extends Variable {
	session: vscode.DebugSession;
}

/** The Registers view, of the selected frame. What has changed since the last stop is marked. */
export class Registers extends Tree {
	private before = new Map<string, string>();
	private now = new Map<string, string>();
	private frame: number | undefined;

	constructor() {
		super('dap-windbg.registers', ['values']);
		this.also(vscode.debug.onDidChangeActiveStackItem(() => this.refresh()));
	}

	protected async rows(session: vscode.DebugSession): Promise<Row[]> {
		const frameId = frameOf(session);
		if (frameId === undefined) {
			return [];
		}
		const { scopes } = (await session.customRequest('scopes', { frameId })) as { scopes: { name: string; presentationHint?: string; variablesReference: number }[] };
		const scope = scopes.find(s => s.presentationHint === 'registers');
		if (scope === undefined) {
			return [];
		}
		if (this.frame !== frameId) { // frames have new numbers at each stop
			this.frame = frameId;
			this.before = this.now;
			this.now = new Map();
		}
		return this.list(session, scope.variablesReference);
	}

	private async list(session: vscode.DebugSession, container: number): Promise<Row[]> {
		const { variables } = (await session.customRequest('variables', { variablesReference: container })) as { variables: Variable[] };
		return variables.map(v => this.row({ ...v, session }));
	}

	private row(r: Register): Row {
		const group = r.variablesReference > 0 && r.value === '';
		const was = this.before.get(r.name);
		if (!group) {
			this.now.set(r.name, r.value);
		}
		const changed = was !== undefined && was !== r.value;
		return {
			label: changed ? { label: r.name, highlights: [[0, r.name.length]] } : r.name,
			description: r.value,
			tooltip: changed ? `${r.name} = ${r.value}\nit was ${was}` : `${r.name} = ${r.value}`,
			...(changed && { iconPath: new vscode.ThemeIcon('circle-small-filled', new vscode.ThemeColor('charts.orange')) }),
			collapsibleState: r.variablesReference > 0 ? vscode.TreeItemCollapsibleState.Collapsed : vscode.TreeItemCollapsibleState.None,
			contextValue: group ? 'group' : 'register',
			about: r,
			...(r.variablesReference > 0 && { below: () => this.list(r.session, r.variablesReference) }),
		};
	}
}
