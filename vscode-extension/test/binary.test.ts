import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { test } from 'node:test';
import { BinaryMissing, findBinary } from '../src/binary';
import { host, onPath } from '../src/platform';
import { machine } from './machine';

const linux = (...files: string[]) => machine('linux', files, { PATH: '/usr/bin:.:/opt/tools', HOME: '/home/ann', TOOLS: '/t' });
const windows = (...files: string[]) => machine('win32', files, { Path: 'C:\\Windows;D:\\Debug Tools', PATHEXT: '.COM;.EXE', UserProfile: 'C:\\Users\\Ann' });

test('the debugger is found: setting, extension, PATH', () => {
	const own = '/ext/bin/dap-windbg*', there = '/opt/tools/dap-windbg*';
	const cases: [ReturnType<typeof linux>, string, string, string, string][] = [
		[linux(own, there), '', '/ext', '/ext/bin/dap-windbg', 'extension'],
		[linux(there), '', '/ext', '/opt/tools/dap-windbg', 'PATH'],
		[linux(own, '/my/dbg*'), ' /my/dbg ', '/ext', '/my/dbg', 'setting'],
		[linux(own, '/usr/bin/dbg2*'), 'dbg2', '/ext', '/usr/bin/dbg2', 'setting'],
		[linux('/home/ann/dbg*'), '~/dbg', '/ext', '/home/ann/dbg', 'setting'],
		[linux('/t/dbg*'), '${env:TOOLS}/dbg', '/ext', '/t/dbg', 'setting'],
		[windows('E:\\ext\\bin\\dap-windbg.exe*'), '', 'E:\\ext', 'E:\\ext\\bin\\dap-windbg.exe', 'extension'],
		[windows('D:\\Debug Tools\\dap-windbg.exe*'), '', 'E:\\ext', 'D:\\Debug Tools\\dap-windbg.exe', 'PATH'],
		[windows('D:\\Debug Tools\\dbg.exe*'), 'dbg.exe', 'E:\\ext', 'D:\\Debug Tools\\dbg.exe', 'setting'],
		[windows('C:\\Users\\Ann\\dbg.exe*'), '~\\dbg.exe', 'E:\\ext', 'C:\\Users\\Ann\\dbg.exe', 'setting'],
	];
	for (const [machine, setting, extension, want, from] of cases) {
		assert.deepEqual(findBinary(machine, setting, extension), { path: want, from }, `${machine.os} ${setting}`);
	}
});

test('a setting that names nothing is told, and nothing else is started', () => {
	const cases: [ReturnType<typeof linux>, string, RegExp][] = [
		[linux('/ext/bin/dap-windbg*'), '/gone/dbg', /\/gone\/dbg, which does not exist/],
		[linux('/ext/bin/dap-windbg*', '/plain/dbg'), '/plain/dbg', /not executable/],
		[linux('/ext/bin/dap-windbg*'), 'dbg9', /dbg9, which is in no folder of PATH/],
		[linux('/ext/bin/dap-windbg*'), './dbg', /whole path, not \.\/dbg/],
		[windows('E:\\ext\\bin\\dap-windbg.exe*'), 'C:\\gone.exe', /C:\\gone\.exe, which does not exist/],
	];
	for (const [machine, setting, want] of cases) {
		assert.throws(() => findBinary(machine, setting, '/ext'), (e: Error) => e instanceof BinaryMissing && want.test(e.message), setting);
	}
});

test('without any debugger the message says what to do', () => {
	for (const m of [linux(), linux('/ext/bin/dap-windbg', './dap-windbg*'), machine('darwin', [])]) {
		assert.throws(() => findBinary(m, '', '/ext'), (e: Error) => e instanceof BinaryMissing && /dap-windbg\.executable/.test(e.message) && e.tried[0] === '/ext/bin/dap-windbg');
	}
});

test('this machine is asked as it is', () => {
	const dir = mkdtempSync(path.join(tmpdir(), 'binary-'));
	try {
		const file = path.join(dir, 'dbg');
		writeFileSync(file, '');
		assert.deepEqual([host.isFile(file), host.isFile(dir), host.isFile(file + 'x'), host.isExecutable(file)], [true, false, false, false]);
		chmodSync(file, 0o755);
		assert.equal(host.isExecutable(file), true);
		assert.equal(onPath({ ...host, env: { PATH: dir } }, 'dbg'), file);
	} finally {
		rmSync(dir, { recursive: true });
	}
});
