import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { Modules, details, hasSymbols } from '../src/modules';
import { Registers } from '../src/registers';
import { farEnd, Target, title, type Debuggee } from '../src/target';
import { onChange, Trackers } from '../src/tracker';
import type { Row } from '../src/tree';
import { holdTimers } from './debugger';
import * as fake from './vscode';

beforeEach(() => fake.reset());

const shown = (rows: Row[]): string[] => rows.map(r => [typeof r.label === 'string' ? r.label : r.label?.label, r.description].filter(Boolean).join(' | '));

test('modules are listed with what is known of them', async () => {
	const orders = { id: '0x1000', name: 'orders', path: '/srv/orders', symbolStatus: 'DWARF symbols', addressRange: '0x1000-0x2000', buildId: 'ab12' };
	const session = (fake.debug.activeDebugSession = fake.fakeSession({ modules: () => ({ modules: [orders, { id: '0x7f', name: 'vdso', symbolStatus: 'no symbols: vdso: not found in 1 place' }] }) }));
	const view = new Modules();
	const rows = await view.getChildren();
	assert.deepEqual(shown(rows), ['orders | DWARF symbols', 'vdso | no symbols']);
	assert.deepEqual(rows.map(r => r.contextValue), ['module', 'module.bare']);
	assert.equal(rows[0]!.accessibilityInformation!.label, 'orders, DWARF symbols, /srv/orders');
	assert.deepEqual(shown(await view.getChildren(rows[0])), ['Path: /srv/orders', 'Addresses: 0x1000-0x2000', 'Symbols: DWARF symbols', 'Build id: ab12']);
	assert.deepEqual(session.asked, [['modules', {}]]);
	view.dispose();
	assert.deepEqual([hasSymbols({ id: 1, name: 'x', symbolStatus: 'export symbols' }), details({ id: 1, name: 'x' })], [false, []]);
});

const debuggee: Debuggee = {
	state: 'stopped', pid: 725, path: '/srv/orders', os: 'linux', architecture: 'amd64', server: 'gdbserver 13.1', machine: false, postmortem: false,
	threads: [{ id: 725, ordinal: 0, tid: 725, name: 'orders', event: true }, { id: 726, ordinal: 1, tid: 726, frozen: true }],
};

test('the target: its threads, and what else runs there when somebody looks', async () => {
	const session = (fake.debug.activeDebugSession = fake.fakeSession({
		debuggee: () => debuggee,
		processes: () => ({ processes: [{ pid: 725, command: '/srv/orders' }, { pid: 9, user: 'ann', command: 'bash -l' }, { pid: 2, command: '[kthreadd]' }] }),
	}, { processServer: 'gdb:server=h,port=1' }));
	const view = new Target();
	const rows = await view.getChildren();
	assert.deepEqual(shown(rows), ['orders (725) | stopped, linux, amd64, gdbserver 13.1', 'Other processes | gdb:server=h,port=1']);
	const threads = await view.getChildren(rows[0]);
	assert.deepEqual(shown(threads), ['0: orders | 725  stopped here', '1: thread | 726  frozen']);
	assert.deepEqual(threads.map(t => t.contextValue), ['thread', 'thread.frozen']);
	assert.deepEqual(session.asked.map((a: any) => a[0]), ['debuggee']);
	assert.deepEqual(shown(await view.getChildren(rows[1])), ['bash | 9 ann']);
	assert.deepEqual(session.asked.at(-1)[1], { processServer: 'gdb:server=h,port=1', __workspaceTrusted: true });
	view.dispose();
});

test('nobody is asked for other processes where nobody can tell', async () => {
	assert.deepEqual([farEnd({}), farEnd({ processId: 7 }), farEnd({ connection: 'gdb:x' }), farEnd({ coreFile: 'c' }), farEnd({ processServer: 'gdb:y' })], ['', '', undefined, undefined, 'gdb:y']);
	const session = (fake.debug.activeDebugSession = fake.fakeSession({
		debuggee: () => ({ ...debuggee, machine: true, pid: undefined, path: undefined }),
		tasks: () => ({ tasks: [{ address: '0x1', id: 2, parent: 0, name: 'kthreadd', state: 'S' }, { address: '0x2', id: 77, parent: 1, name: 'cat', state: 'R', processor: 1 }] }),
	}));
	const view = new Target();
	const rows = await view.getChildren();
	assert.deepEqual(shown(rows).slice(1), ['Tasks | of its system']);
	assert.deepEqual(session.asked.map((a: any) => a[0]), ['debuggee'], 'tasks are read when somebody looks');
	assert.deepEqual(shown(await view.getChildren(rows[1])), ['2: kthreadd | S', '77: cat | R  on processor 1']);
	assert.deepEqual(shown(await view.getChildren(rows[0])), ['0: orders | 725  stopped here', '1: processor | 726  frozen']);
	assert.equal(title({ ...debuggee, path: undefined, pid: undefined, machine: true }), 'Machine');
	view.dispose();
});

test('registers: those of the selected frame; what has changed is marked', async () => {
	let rip = '0x1000';
	const session = fake.fakeSession({
		scopes: () => ({ scopes: [{ name: 'Locals', variablesReference: 1 }, { name: 'Registers', presentationHint: 'registers', variablesReference: 2 }] }),
		variables: a => ({ variables: a.variablesReference === 2 ? [{ name: 'rip', value: rip, variablesReference: 0 }, { name: 'rbx', value: '7', variablesReference: 0 }, { name: 'Vector', value: '', variablesReference: 3 }] : [{ name: 'xmm0', value: '0', variablesReference: 0 }] }),
	});
	fake.debug.activeDebugSession = session;
	const view = new Registers();
	assert.deepEqual(await view.getChildren(), [], 'no frame is selected');
	fake.debug.activeStackItem = new fake.DebugStackFrame(session, 1, 10);
	const rows = await view.getChildren();
	assert.deepEqual(shown(rows), ['rip | 0x1000', 'rbx | 7', 'Vector']);
	assert.deepEqual(rows.map(r => r.contextValue), ['register', 'register', 'group']);
	assert.deepEqual(shown(await view.getChildren(rows[2])), ['xmm0 | 0']);
	rip = '0x1004';
	fake.debug.activeStackItem = new fake.DebugStackFrame(session, 1, 11);
	assert.deepEqual((await view.getChildren()).map(r => typeof r.label), ['object', 'string', 'string']);
	view.dispose();
});

test('a view of another debugger’s session, or of none, is empty; what fails below is said', async () => {
	const view = new Modules();
	assert.deepEqual(await view.getChildren(), []);
	fake.debug.activeDebugSession = { ...fake.fakeSession({}), type: 'cppdbg' };
	assert.deepEqual(await view.getChildren(), []);
	fake.debug.activeDebugSession = fake.fakeSession({});
	assert.deepEqual(await view.getChildren(), []);
	assert.deepEqual(shown(await view.getChildren({ below: () => Promise.reject(new Error('no link')) })), ['no link']);
	view.dispose();
});

test('events make stale what shows them, once', t => {
	const later = holdTimers(t);
	const session = (fake.debug.activeDebugSession = fake.fakeSession({}));
	const tracker = new Trackers().createDebugAdapterTracker(session);
	const changes: string[] = [];
	const listening = onChange(e => changes.push(e.change));
	const modules = new Modules(), target = new Target();
	const filled: string[] = [];
	modules.onDidChangeTreeData(() => filled.push('modules'));
	target.onDidChangeTreeData(() => filled.push('target'));
	for (const event of ['module', 'module', 'output', 'thread']) {
		tracker.onDidSendMessage!({ type: 'event', event, seq: 1 });
	}
	tracker.onDidSendMessage!({ type: 'response', command: 'setVariable', success: true, seq: 2 });
	tracker.onDidSendMessage!({ type: 'response', command: 'setVariable', success: false, seq: 3 });
	assert.deepEqual(changes, ['modules', 'modules', 'threads', 'values']);
	later();
	assert.deepEqual(filled, ['modules', 'target']);
	[modules, target, listening].forEach(d => d.dispose());
});
