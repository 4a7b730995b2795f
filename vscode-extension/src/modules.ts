import * as vscode from 'vscode';
import { Tree, type Row } from './tree';

/** A module, as the adapter describes it. */
export interface Module {
	id: number | string;
	name: string;
	path?: string;
	symbolStatus?: string;
	symbolFilePath?: string;
	addressRange?: string;
	buildId?: string;
	version?: string;
}

/** The Modules view: what is loaded, where, and whether it has symbols. */
export class Modules extends Tree {
	constructor() {
		super('dap-windbg.modules', ['modules']);
	}

	protected async rows(session: vscode.DebugSession): Promise<Row[]> {
		const { modules } = (await session.customRequest('modules', {})) as { modules: Module[] };
		return modules.map(row);
	}
}

function row(m: Module): Row {
	const with_ = hasSymbols(m);
	return {
		id: String(m.id),
		label: m.name,
		description: m.symbolStatus?.replace(/:.*/s, '') ?? '',
		tooltip: [m.path ?? m.name, m.addressRange, m.symbolStatus].filter(Boolean).join('\n'),
		accessibilityInformation: { label: [m.name, m.symbolStatus, m.path].filter(Boolean).join(', ') }, // else the tooltip is read
		iconPath: new vscode.ThemeIcon(with_ ? 'library' : 'circle-large-outline'),
		collapsibleState: vscode.TreeItemCollapsibleState.Collapsed,
		contextValue: with_ ? 'module' : 'module.bare',
		about: m,
		below: async () => details(m).map(([label, value]) => ({ label: `${label}: ${value}`, tooltip: value, contextValue: 'detail', about: value })),
	};
}

/** Whether symbols beyond the exported names are there. */
export function hasSymbols(m: Module): boolean {
	return /^(DWARF|PDB)/.test(m.symbolStatus ?? '');
}

/** What is known of a module, in the order in which people ask. */
export function details(m: Module): [string, string][] {
	const all: [string, string | undefined][] = [
		['Path', m.path], ['Addresses', m.addressRange], ['Symbols', m.symbolStatus], ['Symbol file', m.symbolFilePath], ['Build id', m.buildId], ['Version', m.version],
	];
	return all.filter((d): d is [string, string] => Boolean(d[1]));
}
