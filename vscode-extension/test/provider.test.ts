import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import { beforeEach, test } from 'node:test';
import { install } from '../src/debugger';
import { Provider } from '../src/provider';
import { start, chooseWay, connectionString, parsePlace } from '../src/ways';
import { show, traceFile, traceInto } from '../src/wire';
import { until, withDebugger } from './debugger';
import * as fake from './vscode';

const provider = new Provider();
const config = (more: object): any => ({ type: 'dap-windbg', request: 'attach', name: 'Test', ...more });

beforeEach(() => {
	fake.reset();
	install('/nowhere');
	traceInto('');
});

test('F5 without launch.json asks for host and port', () => withDebugger('', async () => {
	let question: any;
	fake.answers.push((ways: any[]) => ways.find(w => /gdbserver$/.test(w.label)), (q: any) => ((question = q), ' board7:2345 '));
	const got = await provider.resolveDebugConfiguration(undefined, {} as any);
	assert.deepEqual(got, { type: 'dap-windbg', request: 'attach', name: 'Attach to a gdbserver', connection: 'gdb:server=board7,port=2345', __workspaceTrusted: true });
	assert.equal(question.validateInput('board7:2345'), undefined);
	for (const bad of ['board7', 'board7:', 'board7:0', 'board7:65536', 'a b:1', 'a,b:1', ':x']) {
		assert.match(question.validateInput(bad), /HOST:PORT/, bad);
	}
}));

test('places are read as people write them', () => {
	assert.deepEqual(parsePlace('[fe80::1%eth0]:1234'), { host: 'fe80::1%eth0', port: 1234 });
	assert.deepEqual(parsePlace(':1234'), { host: 'localhost', port: 1234 });
	assert.equal(connectionString({ host: 'a.b', port: 1 }), 'gdb:server=a.b,port=1');
});

test('who turns away at any question starts nothing and hears nothing', async () => {
	for (const n of [0, 1]) {
		fake.answers.push(...[(ways: any[]) => ways[2]].slice(0, n), undefined);
		assert.equal(await provider.resolveDebugConfiguration(undefined, {} as any), undefined);
	}
	await start('core');
	assert.deepEqual([fake.said, fake.started], [[], []]);
});

test('every way to start gives a configuration that is accepted', () => withDebugger(`echo '[{"pid":725,"command":"orders"}]'`, async () => {
	const seen: any[] = [];
	for (let n = 0; n < 5; n++) {
		fake.answers.push((ways: any[]) => ways[n], (q: any) => (q.validateInput ? 'h:1' : [fake.Uri.file('/w/file')]));
		const chosen = await chooseWay(undefined);
		fake.answers.length = 0;
		const pending = provider.resolveDebugConfiguration(undefined, chosen as any);
		await until(() => fake.boxes.every(b => b.items.length > 0) || n < 1);
		fake.boxes.at(-1)?.shown && fake.boxes.at(-1)!.choose(fake.boxes.at(-1)!.items[0]);
		seen.push(await pending);
	}
	assert.deepEqual(seen.map(c => [c.request, c.program, c.processId, c.connection, c.processServer, c.coreFile].filter(Boolean)), [
		['launch', '/w/file'], ['attach', '725'], ['attach', 'gdb:server=h,port=1'], ['attach', '725', 'gdb:server=h,port=1'], ['attach', '/w/file'],
	]);
}));

test('a new launch.json has what was chosen, or something to fill in', async () => {
	const folder: any = { uri: fake.Uri.file('/w') };
	fake.answers.push((ways: any[]) => ways[0], [fake.Uri.file('/w/build/orders')]);
	assert.deepEqual(await provider.provideDebugConfigurations(folder), [{ type: 'dap-windbg', request: 'launch', name: 'Launch a program', program: '${workspaceFolder}/build/orders' }]);
	fake.answers.push(undefined);
	assert.deepEqual(await provider.provideDebugConfigurations(folder), [{ type: 'dap-windbg', request: 'launch', name: 'Launch', program: '${workspaceFolder}/a.out' }]);
});

test('a refusal has a button that opens the configuration', async () => {
	fake.answers.push('Configure');
	assert.equal(await provider.resolveDebugConfiguration(undefined, config({ processId: 1, coreFile: 'c' })), undefined);
	await until(() => fake.ran.length > 0);
	assert.match(fake.said[0]!, /exclude each other/);
	assert.equal(fake.ran[0]![0], 'workbench.action.debug.configure');

	assert.equal(await provider.resolveDebugConfigurationWithSubstitutedVariables(undefined, config({ processId: 'x' })), undefined);
	assert.match(fake.said[1]!, /number of a process/);
});

test('a missing debugger is told with a button that opens the setting', async () => {
	fake.answers.push('Open Settings');
	assert.equal(await provider.resolveDebugConfiguration(undefined, config({ processId: 1 })), undefined);
	await until(() => fake.ran.length > 0);
	assert.match(fake.said[0]!, /dap-windbg was not found/);
	assert.deepEqual(fake.ran[0], ['workbench.action.openSettings', 'dap-windbg.executable']);
});

test('defaults, trust and the trace go into the configuration', () => withDebugger('', async dir => {
	fake.settings.set('dap-windbg.symbolPath', '/sym');
	fake.settings.set('dap-windbg.recordWire', true);
	traceInto(path.join(dir, 'wire'));
	fake.workspace.isTrusted = false;
	const untrusted = await provider.resolveDebugConfiguration(undefined, config({ processId: 1 }));
	assert.deepEqual(untrusted, config({ processId: 1, symbolPath: '/sym', __workspaceTrusted: false }));
	assert.equal((await provider.resolveDebugConfigurationWithSubstitutedVariables(undefined, untrusted!))!.trace, undefined);
	assert.equal(await provider.resolveDebugConfigurationWithSubstitutedVariables(undefined, config({ processId: 1, initCommands: ['.shell x'] })), undefined);

	fake.workspace.isTrusted = true;
	const file = (await provider.resolveDebugConfigurationWithSubstitutedVariables(undefined, config({ processId: 1 })))!.trace;
	assert.match(file, /\/wire\/[\dTZ-]+ Test\.wire$/);
	writeFileSync(file, 'x');
	await show();
	assert.equal((fake.ran.at(-1)![1] as fake.Uri).fsPath, file);
	assert.equal(readFileSync(file, 'utf8'), 'x');
	fake.settings.set('dap-windbg.recordWire', false);
	assert.equal(traceFile('Test'), undefined);
}));
