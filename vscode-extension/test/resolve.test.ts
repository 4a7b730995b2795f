import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { addDefaults, contradiction, forLog, needsProcess, portable, settingsAsDefaults, unusable, type Configuration } from '../src/resolve';
import { machine } from './machine';

const launch = (more: object): Configuration => ({ type: 'dap-windbg', request: 'launch', name: 'L', ...more });
const attach = (more: object): Configuration => ({ type: 'dap-windbg', request: 'attach', name: 'A', ...more });
const linux = machine('linux', ['/w/a.out*', '/w/core']);
const windows = machine('win32', ['C:\\w\\a.exe*']);

test('contradictions are told before anything is asked or started', () => {
	const cases: [Configuration, RegExp | undefined][] = [
		[launch({ program: '${workspaceFolder}/a.out' }), undefined],
		[launch({}), /L: "program" is missing/],
		[launch({ program: '' }), /"program" is missing/],
		[launch({ program: 'a', processId: 7 }), /"processId" belongs to an attach configuration/],
		[launch({ program: 'a', connection: '' }), undefined],
		[{ ...launch({ program: 'a' }), request: 'start' }, /"request" must be "launch" or "attach", not "start"/],
		[attach({ processId: '${command:PickProcess}' }), undefined],
		[attach({}), undefined],
		[attach({ processId: 7, coreFile: 'core' }), /"processId" and "coreFile" exclude each other/],
		[attach({ connection: 'gdb:server=a,port=1', remote: 'tcp:server=a,port=2' }), /exclude each other/],
		[attach({ waitFor: true }), /"waitFor" needs "processName"/],
		[attach({ waitFor: true, processName: 'x' }), undefined],
	];
	for (const [config, want] of cases) {
		const got = contradiction(config);
		want === undefined ? assert.equal(got, undefined) : assert.match(got?.message ?? '', want);
	}
});

test('a process is asked for only when nothing says what to attach to', () => {
	const cases: [Configuration, boolean][] = [
		[attach({}), true], [attach({ processServer: 'gdb:server=a,port=1' }), true], [attach({ processId: 0 }), false], [attach({ processName: 'x' }), false],
		[attach({ coreFile: 'c' }), false], [attach({ __child: 'token' }), false], [launch({ program: 'a' }), false],
	];
	for (const [config, want] of cases) {
		assert.equal(needsProcess(config), want, JSON.stringify(config));
	}
});

test('what is wrong after substitution is told with what to do', () => {
	const cases: [Configuration, typeof linux, RegExp | undefined][] = [
		[launch({ program: '/w/a.out' }), linux, undefined],
		[launch({ program: 'a.out' }), linux, undefined],
		[launch({ program: '/w/b.out' }), linux, /\/w\/b\.out does not exist\. Build it first/],
		[launch({ program: '/there/b', processServer: 'gdb:server=a,port=1' }), linux, undefined],
		[launch({ program: 'C:\\w\\a.exe' }), windows, /started on Linux only.*processServer/],
		[launch({ program: '/there/b', processServer: 'gdb:server=a,port=1' }), windows, undefined],
		[attach({ processId: '725' }), linux, undefined],
		[attach({ processId: '0x2d5' }), linux, undefined],
		[attach({ processId: 'orders' }), linux, /must be the number of a process, not "orders"/],
		[attach({ processId: 725 }), windows, /debugged on Linux only/],
		[attach({ processId: 725, processServer: 'gdb:server=a,port=1' }), windows, undefined],
		[attach({ connection: 'gdb:server=a,port=1' }), windows, undefined],
		[attach({ connection: 'board7:1234' }), linux, undefined], // looks like a protocol; the debugger knows better
		[attach({ connection: '10.0.0.7:1234' }), linux, /connection string such as "gdb:server=HOST,port=1234", not "10\.0\.0\.7:1234"/],
		[attach({ remote: 'HOST' }), linux, /"tcp:server=HOST,port=5005"/],
		[attach({ connection: 7 }), linux, /must be a connection string/],
		[attach({ coreFile: '/w/core' }), linux, undefined],
		[attach({ coreFile: '/w/core.2' }), linux, /core\.2 does not exist/],
	];
	for (const [config, m, want] of cases) {
		const got = unusable(config, m, true);
		want === undefined ? assert.equal(got, undefined, JSON.stringify(config)) : assert.match(got?.message ?? '', want);
	}
});

test('a folder that is not trusted chooses no commands and no programs', () => {
	for (const name of ['gdbserver', 'initCommands', 'postConnectCommands', 'exitCommands', 'trace']) {
		const config = launch({ program: '/w/a.out', [name]: name.endsWith('s') ? ['.shell rm'] : '/bin/sh' });
		assert.match(unusable(config, linux, false)?.message ?? '', new RegExp(`"${name}" is refused in a folder that is not trusted`));
		assert.equal(unusable(config, linux, true), undefined);
	}
	assert.match(unusable(launch({ program: '/w/a.out', initCommands: [] }), linux, false)?.message ?? '', /"program" is refused in a folder that is not trusted/);
	assert.equal(unusable(attach({ coreFile: 'core', program: '/w/a.out', initCommands: [] }), linux, false), undefined);
});

test('settings fill what a configuration lacks', () => {
	const settings: Record<string, unknown> = { symbolPath: '/sym', sourceMap: {}, natvis: [], gdbserver: '', sourcePath: '/src' };
	const got = addDefaults(launch({ program: 'a', sourcePath: '/mine' }), name => settings[name]);
	assert.deepEqual(got, launch({ program: 'a', sourcePath: '/mine', symbolPath: '/sym' }));
});

test('package.json has the settings that are defaults, and no others', () => {
	const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
	const properties = manifest.contributes.configuration[1].properties;
	assert.deepEqual(Object.keys(properties).sort(), settingsAsDefaults.map(s => `dap-windbg.${s}`).sort());
	assert.equal(properties['dap-windbg.gdbserver'].scope, 'machine');
});

test('the log has no secrets', () => {
	const text = forLog(attach({ remote: 'tcp:server=h,port=1,password=geheim', connection: 'net:port=5,key=1.2.3.4', env: { TOKEN: 'geheim', HOME: '/h' } }));
	assert.equal(text, '{"type":"dap-windbg","request":"attach","name":"A","remote":"tcp:server=h,port=1,password=...","connection":"net:port=5,key=...","env":{"TOKEN":"...","HOME":"..."}}');
	assert.match(forLog(launch({ program: 'a', symbolPath: 'srv*/c*https://me:geheim@host/s', debugInfoD: ['http://me:geheim@h:80', 'http://h:80'] })), /https:\/\/me:\.\.\.@host\/s.*http:\/\/me:\.\.\.@h:80","http:\/\/h:80"/);
	assert.equal(forLog(launch({ program: 'a' })), '{"type":"dap-windbg","request":"launch","name":"L","program":"a"}');
});

test('what is written into a launch.json serves others, too', () => {
	const cases: [Configuration, string | undefined, typeof linux, object][] = [
		[launch({ program: '/w/build/a.out' }), '/w', linux, { program: '${workspaceFolder}/build/a.out' }],
		[launch({ program: '/usr/bin/ls' }), '/w', linux, { program: '/usr/bin/ls' }],
		[launch({ program: '/w/a.out' }), undefined, linux, { program: '/w/a.out' }],
		[launch({ program: '/wide/a.out' }), '/w', linux, { program: '/wide/a.out' }],
		[attach({ coreFile: 'C:\\w\\x\\core' }), 'C:\\w', windows, { coreFile: '${workspaceFolder}/x/core' }],
		[attach({ coreFile: 'D:\\core' }), 'C:\\w', windows, { coreFile: 'D:\\core' }],
		[attach({}), '/w', linux, { processId: '${command:PickProcess}' }],
	];
	for (const [config, folder, m, want] of cases) {
		assert.deepEqual(portable(config, folder, m), { type: config.type, request: config.request, name: config.name, ...want });
	}
});
