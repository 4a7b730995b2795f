import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { beforeEach, test } from 'node:test';
import { breakOnChange, parseRange, setNextStatement, unassemble, viewMemory, viewMemoryOf, watchable } from '../src/code';
import { activate } from '../src/extension';
import { joiningString, share, whyNot } from '../src/share';
import { loadSymbols, pathIn, symbolNoise, symbolPath } from '../src/symbols';
import { until, withDebugger } from './debugger';
import * as fake from './vscode';

beforeEach(() => fake.reset());

/** A session whose command line answers from a table; what was typed is in `typed`. */
function console_(answers: Record<string, string>, values: Record<string, string> = {}) {
	const typed: string[] = [];
	const session = fake.fakeSession({
		evaluate: a => {
			if (a.context === 'repl') {
				typed.push(a.expression);
				return { result: answers[a.expression] ?? '' };
			}
			if (values[a.expression] === undefined) {
				throw new Error(`${a.expression}: unknown`);
			}
			return { result: values[a.expression] };
		},
		gotoTargets: a => ({ targets: a.line === 7 ? [{ id: 3, label: 'main+4' }] : [] }),
		goto: () => undefined,
	});
	fake.debug.activeDebugSession = session;
	return { session, typed };
}

/** An editor whose cursor is on a word. */
function cursorOn(word: string): void {
	const selection = { isEmpty: true, active: { line: 6 } };
	fake.window.activeTextEditor = { selection, document: { uri: fake.Uri.file('/w/a.cpp'), getText: () => word, getWordRangeAtPosition: () => ({}) } };
}

test('package.json and the code have the same commands, and menus name no others', () => {
	const context = { extensionPath: '/x', logUri: fake.Uri.file('/log'), subscriptions: [] as { dispose(): void }[] };
	activate(context as any);
	const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
	const declared = manifest.contributes.commands.map((c: any) => c.command).sort();
	assert.deepEqual([...fake.handlers.keys()].sort(), declared);
	const used = Object.values(manifest.contributes.menus).flat().map((m: any) => m.command);
	assert.deepEqual(used.filter(c => !declared.includes(c)), []);
	for (const [, name] of readFileSync('package.json', 'utf8').matchAll(/command:(dap-windbg\.\w+)/g)) {
		assert.ok(declared.includes(name!), name);
	}
	for (const step of manifest.contributes.walkthroughs[0].steps) {
		assert.ok(existsSync(step.media.markdown), step.media.markdown);
	}
	context.subscriptions.forEach(s => s.dispose());
});

test('nothing is active until it is needed', () => {
	const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
	assert.deepEqual(manifest.activationEvents.filter((e: string) => !/^(onDebugResolve|onDebugInitialConfigurations|onDebugDynamicConfigurations|onFileSystem):/.test(e)), []);
});

test('commands without a session say what to do', async () => {
	for (const command of [viewMemory, symbolPath, symbolNoise, share, setNextStatement, breakOnChange, unassemble]) {
		fake.said.length = 0;
		await command();
		assert.match(fake.said[0]!, /no debug session of dap-windbg/);
	}
});

test('a memory range is WinDbg’s', () => {
	assert.deepEqual(parseRange('&greeting L40'), { place: '&greeting', length: 0x40 });
	assert.deepEqual(parseRange(' 0x7ffe L0n100 '), { place: '0x7ffe', length: 100 });
	assert.deepEqual(parseRange('x L0x10'), { place: 'x', length: 16 });
	assert.deepEqual(parseRange('a.Length'), { place: 'a.Length', length: 0x200 });
	assert.equal(parseRange('x Lffffffff').length, 0x10000);
});

test('memory is opened at addresses, expressions and variables', async () => {
	console_({}, { '&greeting': '0x00007ffe`00001000 {...}', count: '66', name: '{...}' });
	const opened = (): string => String((fake.ran.at(-1)![1] as any).uri);
	fake.answers.push('0x7f`00001234 L10');
	await viewMemory();
	assert.equal(opened(), 'dap-windbg-memory://session-1/0x7f00001234?16');
	fake.answers.push('&greeting');
	await viewMemory();
	assert.equal(opened(), 'dap-windbg-memory://session-1/0x7ffe00001000 &greeting?512');
	fake.answers.push('count');
	await viewMemory();
	assert.equal(opened(), 'dap-windbg-memory://session-1/0x42 count?512');
	await viewMemoryOf({ variable: { name: 'x', value: '1', memoryReference: '0x10' } });
	assert.equal(opened(), 'dap-windbg-memory://session-1/0x10 x?512');
	fake.answers.push('name');
	await viewMemory();
	assert.match(fake.said[0]!, /name is \{\.\.\.\}, which is no address/);
	fake.answers.push('gone');
	await viewMemory();
	assert.match(fake.said[1]!, /gone: unknown/);
});

test('a change of what the cursor is on breaks', async () => {
	const { typed } = console_({}, { 'sizeof(total)': '4', '&(total)': '0x0000000000404028', 'sizeof(r)': '4', '&(r)': 'in a register' });
	cursorOn('total');
	await breakOnChange();
	assert.deepEqual(typed, ['ba w4 0x0000000000404028']);
	await breakOnChange({ variable: { name: 'r', value: '1' } });
	assert.match(fake.said[0]!, /not in memory/);
	assert.deepEqual([1, 2, 3, 4, 7, 8, 400].map(watchable), [1, 2, 2, 4, 4, 8, 8]);
});

test('the next statement is set at a line of the margin or under the cursor', async () => {
	const { session } = console_({});
	fake.debug.activeStackItem = { session, threadId: 5 };
	cursorOn('');
	await setNextStatement();
	assert.deepEqual(session.asked.map((a: any) => a[0]), ['gotoTargets', 'goto']);
	assert.deepEqual(session.asked[0][1], { source: { path: '/w/a.cpp', name: 'a.cpp' }, line: 7 });
	assert.deepEqual(session.asked[1][1], { threadId: 5, targetId: 3 });
	await setNextStatement({ lineNumber: 8, uri: fake.Uri.file('/w/b.cpp') as any });
	assert.match(fake.said[0]!, /Line 8 has no code/);
});

test('instructions are printed at what a value points to', async () => {
	const { typed } = console_({}, { handler: '0x0000000000401136 {app!main}' });
	await unassemble({ variable: { name: 'f', value: '0x00401200 {app!f}' } });
	cursorOn('handler');
	await unassemble();
	await unassemble({ variable: { name: 'count', value: '77' } });
	assert.deepEqual(typed, ['u 0x00401200', 'u 0x0000000000401136']);
	assert.match(fake.said[0]!, /count is 77, which is no address of code/);
});

test('the symbol path is shown, changed, and symbols are looked for again', async () => {
	const { typed } = console_({ '.sympath': 'Symbol search path is: /sym;cache*\nExpanded Symbol search path is: /sym;cache*/home\n' });
	let asked: any;
	fake.answers.push((q: any) => ((asked = q), '/other'));
	await symbolPath();
	assert.equal(asked.value, '/sym;cache*');
	assert.deepEqual(typed, ['.sympath', '.sympath /other', '.reload']);
	fake.answers.push(undefined);
	await symbolPath();
	assert.equal(typed.length, 4);
	assert.equal(pathIn('Symbol search path is: <empty>\n'), '');
});

test('noise is switched to what it is not', async () => {
	const quiet = console_({ '!sym': 'quiet mode - symbol prompts off\n' });
	await symbolNoise();
	assert.deepEqual(quiet.typed, ['!sym', '!sym noisy']);
	await loadSymbols({ about: { id: 1, name: 'orders' } });
	assert.deepEqual(quiet.typed.slice(2), ['!sym', '!sym noisy', '.reload /f orders', '!sym quiet']);
	const noisy = console_({ '!sym': 'noisy mode - symbol prompts off\n' });
	await symbolNoise();
	assert.deepEqual(noisy.typed, ['!sym', '!sym quiet']);
});

test('a shared session is one with a password, and who joins finds it in the clipboard', async () => {
	const { typed } = console_({ '.server tcp:port=5005,password=geheim': 'Server started.  Client can connect with any of these command lines\n0: <debugger> -remote tcp:Port=5005,Server=here,Password=*\n' });
	let password: any;
	fake.answers.push('5005', (q: any) => ((password = q), 'geheim'));
	await share();
	assert.deepEqual(typed, ['.server tcp:port=5005,password=geheim']);
	assert.equal(fake.env.copied, 'tcp:Port=5005,Server=here,Password=geheim');
	assert.ok(password.value.length >= 12);
	for (const bad of ['', 'a,b', 'a b', 'a;b', 'a"b', 'a-b', 'a234567890123']) {
		assert.ok(password.validateInput(bad), bad);
	}
	assert.equal(password.validateInput(password.value), undefined);

	console_({ '.server tcp:port=5005,password=geheim': 'Error: there is no .server here\n' });
	fake.answers.push('5005', 'geheim');
	await share();
	assert.match(fake.said.at(-1)!, /no \.server here/);
	assert.equal(joiningString('nothing', 'x'), undefined);
	assert.equal(whyNot(`       ^ Operation not supported by current debuggee error in '.server tcp:port=5,password=a' (there is one window (yours))\n`), 'there is one window (yours)');
	assert.equal(whyNot(' \n'), 'the debugger does not say why.');
});

test('the diagnosis is what the debugger says, in the log', () => withDebugger('echo "gdbserver: missing"; echo "got $*"', async () => {
	const context = { extensionPath: '/x', logUri: fake.Uri.file('/log'), subscriptions: [] as { dispose(): void }[] };
	activate(context as any);
	await fake.handlers.get('dap-windbg.doctor')!();
	await until(() => fake.logged.includes('got doctor'));
	assert.ok(fake.logged.includes('gdbserver: missing'));
	context.subscriptions.forEach(s => s.dispose());
}));
