import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import * as path from 'node:path';
import { beforeEach, test } from 'node:test';
import { install } from '../src/debugger';
import { pickProcess } from '../src/picker';
import { until, withDebugger } from './debugger';
import * as fake from './vscode';

beforeEach(() => {
	fake.reset();
	install('/nowhere');
	process.env.USER = 'ann';
});

const list = `printf '%s ' "$@" >>$DIR/asked; echo '[{"pid":4,"user":"root","command":"/sbin/init"},{"pid":725,"user":"ann","command":"/srv/orders -p 80"}]'`;

test('a process is chosen from what the debugger lists', () => withDebugger(list, async dir => {
	const chosen = pickProcess();
	const box = fake.boxes[0]!;
	assert.ok(box.shown && box.matchOnDescription && box.matchOnDetail);
	await until(() => box.items.length > 0);
	assert.deepEqual(box.items.map(i => i.label), ['orders']);
	box.pressed.fire(box.buttons[1]);
	assert.deepEqual(box.items.map(i => i.label), ['orders', 'init'], 'those of others, too');
	box.items = [];
	box.pressed.fire(box.buttons[0]);
	await until(() => box.items.length > 0);
	box.choose(box.items[0]);
	assert.equal(await chosen, '725');
	assert.equal(readFileSync(path.join(dir, 'asked'), 'utf8'), 'ps --json ps --json ');
}));

test('a process server is asked for its processes, of all users', () => withDebugger(list, async dir => {
	const chosen = pickProcess('gdb:server=h,port=1');
	const box = fake.boxes[0]!;
	await until(() => box.items.length > 0);
	assert.equal(box.items.length, 2);
	assert.match(box.title, /gdb:server=h,port=1/);
	box.hide();
	assert.equal(await chosen, undefined);
	assert.equal(readFileSync(path.join(dir, 'asked'), 'utf8'), 'ps --json --server gdb:server=h,port=1 ');
	assert.deepEqual(fake.said, []);
}));

test('a folder that is not trusted names no process server', () => withDebugger(list, async dir => {
	fake.workspace.isTrusted = false;
	assert.equal(await pickProcess('gdb:server=h,port=1,cmd=@{sh}'), undefined);
	assert.match(fake.said[0]!, /not trusted/);
	assert.equal(existsSync(path.join(dir, 'asked')), false);
}));

test('a list that cannot be had is told', () => withDebugger('echo "Unable to connect to h:1" >&2; exit 3', async () => {
	assert.equal(await pickProcess('gdb:server=h,port=1'), undefined);
	assert.match(fake.said[0]!, /cannot be listed: Unable to connect to h:1/);
}));

test('who turns away does not wait, and the debugger is ended', () => withDebugger('echo $$ >$DIR/pid; exec sleep 600', async dir => {
	const chosen = pickProcess();
	const file = path.join(dir, 'pid');
	await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'));
	fake.boxes[0]!.hide();
	assert.equal(await chosen, undefined);
	const pid = Number(readFileSync(file, 'utf8'));
	await until(() => {
		try {
			process.kill(pid, 0);
			return false;
		} catch {
			return true;
		}
	});
	assert.deepEqual(fake.said, []);
}));

test('without a debugger the picker says so', async () => {
	const { PATH } = process.env;
	process.env.PATH = '/nowhere';
	try {
		assert.equal(await pickProcess(), undefined);
	} finally {
		process.env.PATH = PATH;
	}
	assert.match(fake.said[0]!, /dap-windbg was not found/);
});
