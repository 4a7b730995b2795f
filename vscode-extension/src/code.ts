import * as vscode from 'vscode';
import { memoryUri, most, usual } from './memory';
import { tellError } from './notify';
import { activeSession, evaluate, threadOf, type } from './session';

/** The argument of commands in the context menu of Variables and Watch. */
export interface VariableContext {
	sessionId?: string;
	variable?: { name: string; value: string; evaluateName?: string; memoryReference?: string };
}

/** Runs act with the session that the user looks at, and tells what went wrong. */
export async function inSession(act: (s: vscode.DebugSession) => unknown): Promise<void> {
	const s = activeSession();
	if (s === undefined) {
		tellError('There is no debug session of dap-windbg. Start one first.');
		return;
	}
	try {
		await act(s);
	} catch (err) {
		tellError((err as Error).message);
	}
}

/** The expression that the cursor is on, or that is selected. */
function underCursor(): string | undefined {
	const editor = vscode.window.activeTextEditor;
	if (editor === undefined) {
		return undefined;
	}
	const range = editor.selection.isEmpty ? editor.document.getWordRangeAtPosition(editor.selection.active) : editor.selection;
	return range && editor.document.getText(range).trim();
}

/** What WinDbg calls a range: an address, and L with a length in bytes, hexadecimal unless it says otherwise. */
export function parseRange(text: string): { place: string; length: number } {
	const found = /^(.*?)(?:\s+L(0x|0n)?([0-9a-f]+))?\s*$/i.exec(text.trim())!;
	const length = found[3] === undefined ? usual : parseInt(found[3], found[2]?.toLowerCase() === '0n' ? 10 : 16);
	return { place: found[1]!, length: Math.max(1, Math.min(length || usual, most)) };
}

/** The address that text stands for: a number, or a C++ expression. */
async function addressOf(s: vscode.DebugSession, text: string): Promise<bigint> {
	if (/^0x[0-9a-f`]+$/i.test(text)) {
		return BigInt(text.replace(/`/g, ''));
	}
	const e = await evaluate(s, 'watch', text);
	const number = e.memoryReference ?? /0x[0-9a-f`]+/i.exec(e.result)?.[0].replace(/`/g, '') ?? /^\d+/.exec(e.result)?.[0];
	if (number === undefined) {
		throw new Error(`${text} is ${e.result}, which is no address.`);
	}
	return BigInt(number);
}

async function showMemory(s: vscode.DebugSession, address: bigint, length: number, name: string): Promise<void> {
	const doc = await vscode.workspace.openTextDocument(memoryUri(s, address, length, name));
	await vscode.window.showTextDocument(doc, { viewColumn: vscode.ViewColumn.Beside, preview: false });
}

/** Asks for an address or an expression and shows the memory there. */
export function viewMemory(): Promise<void> {
	return inSession(async s => {
		const text = await vscode.window.showInputBox({
			title: 'View memory', value: underCursor() ?? '', ignoreFocusOut: true,
			prompt: 'An address or a C++ expression, and if you like L and a length, as in "&greeting L40"',
		});
		if (text === undefined || text.trim() === '') {
			return;
		}
		const { place, length } = parseRange(text);
		await showMemory(s, await addressOf(s, place), length, place.startsWith('0x') ? '' : place);
	});
}

/** Shows the memory of a variable, or at what a pointer points to. */
export function viewMemoryOf(c: VariableContext): Promise<void> {
	return inSession(async s => {
		const v = c.variable;
		const place = v?.memoryReference ?? v?.evaluateName ?? v?.name ?? '';
		await showMemory(s, await addressOf(s, place), usual, v?.name ?? '');
	});
}

/** Sets a data breakpoint on what the cursor is on: ba, so that it is in the list of bl. */
export function breakOnChange(c?: VariableContext): Promise<void> {
	return inSession(async s => {
		const expression = c?.variable?.evaluateName ?? c?.variable?.name ?? underCursor();
		if (expression === undefined || expression === '') {
			throw new Error('Put the cursor on a variable, or select an expression.');
		}
		const [size, place] = await Promise.all([evaluate(s, 'watch', `sizeof(${expression})`), evaluate(s, 'watch', `&(${expression})`)]);
		const bytes = Number(size.result);
		const address = /0x[0-9a-f`]+/i.exec(place.result)?.[0];
		if (address === undefined || !Number.isInteger(bytes)) {
			throw new Error(`${expression} is not in memory, so its changes cannot be watched.`);
		}
		await type(s, `ba w${watchable(bytes)} ${address}`);
	});
}

/** What one debug register covers: 1, 2, 4 or 8 bytes; of something larger, its first 8. */
export function watchable(bytes: number): number {
	return bytes >= 8 ? 8 : bytes >= 4 ? 4 : bytes >= 2 ? 2 : 1;
}

/** Lets the selected thread go on at a line; nothing between is run. */
export function setNextStatement(where?: { lineNumber?: number; uri?: vscode.Uri }): Promise<void> {
	return inSession(async s => {
		const editor = vscode.window.activeTextEditor;
		const line = where?.lineNumber ?? (editor && editor.selection.active.line + 1);
		const uri = where?.uri ?? editor?.document.uri;
		const threadId = threadOf(s);
		if (line === undefined || uri === undefined || threadId === undefined) {
			throw new Error('Stop the program and choose a line of its source.');
		}
		const source = { path: uri.fsPath, name: uri.path.split('/').pop() };
		const { targets } = (await s.customRequest('gotoTargets', { source, line })) as { targets: { id: number; label: string }[] };
		const target = targets.length < 2 ? targets[0] : (await vscode.window.showQuickPick(targets.map(t => ({ ...t })), { title: `Places of line ${line}` }));
		if (target === undefined) {
			if (targets.length === 0) {
				throw new Error(`Line ${line} has no code to go on at.`);
			}
			return;
		}
		await s.customRequest('goto', { threadId, targetId: target.id });
	});
}

/** Prints the instructions at what a variable or register points to. */
export function unassemble(c?: VariableContext): Promise<void> {
	return inSession(async s => {
		const expression = c?.variable?.evaluateName ?? c?.variable?.name ?? underCursor();
		if (expression === undefined || expression === '') {
			throw new Error('Put the cursor on a function, or select an address.');
		}
		const value = c?.variable?.value ?? (await evaluate(s, 'watch', expression)).result;
		const address = /0x[0-9a-f`]+/i.exec(value)?.[0];
		if (address === undefined) {
			throw new Error(`${expression} is ${value}, which is no address of code.`);
		}
		await type(s, `u ${address}`);
	});
}
