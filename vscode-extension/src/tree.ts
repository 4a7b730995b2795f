import * as vscode from 'vscode';
import { log } from './log';
import { activeSession } from './session';
import { onChange, type Change } from './tracker';

/** A row of a view. */
export interface Row extends vscode.TreeItem {
	/** The rows below; asked for when the row is opened. */
	below?: () => Promise<Row[]>;
	/** What commands of the row's menu need. */
	about?: unknown;
}

/** How long changes are gathered before a view is filled anew, in milliseconds. */
const gather = 100;

/**
 * Tree is a view of the session that the user looks at. VS Code asks for rows only
 * while the view can be seen, so a hidden one costs nothing.
 */
export abstract class Tree implements vscode.TreeDataProvider<Row>, vscode.Disposable {
	private readonly refreshed = new vscode.EventEmitter<void>();
	readonly onDidChangeTreeData = this.refreshed.event;
	private readonly parts: vscode.Disposable[] = [];
	private due: NodeJS.Timeout | undefined;

	constructor(private readonly id: string, changes: readonly Change[]) {
		this.parts.push(
			vscode.window.registerTreeDataProvider(id, this),
			vscode.debug.onDidChangeActiveDebugSession(() => this.refresh()),
			onChange(e => changes.includes(e.change) && e.session.id === activeSession()?.id && this.refresh()),
		);
	}

	/** The rows of the top for a session. */
	protected abstract rows(session: vscode.DebugSession): Promise<Row[]>;

	/** Fills the view anew, soon. */
	refresh(): void {
		this.due ??= setTimeout(() => {
			this.due = undefined;
			this.refreshed.fire();
		}, gather);
	}

	getTreeItem(row: Row): vscode.TreeItem {
		return row;
	}

	async getChildren(row?: Row): Promise<Row[]> {
		const session = activeSession();
		try {
			return row === undefined ? (session === undefined ? [] : await this.rows(session)) : ((await row.below?.()) ?? []);
		} catch (err) {
			log().debug(`${this.id}: ${(err as Error).message}`);
			return row === undefined ? [] : [{ label: (err as Error).message, iconPath: new vscode.ThemeIcon('info') }];
		}
	}

	protected also(...parts: vscode.Disposable[]): void {
		this.parts.push(...parts);
	}

	dispose(): void {
		clearTimeout(this.due);
		this.parts.forEach(p => p.dispose());
	}
}
