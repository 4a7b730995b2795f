import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProcesses, programName, sortProcesses, toItem } from '../src/processes';

const list = [{ pid: 1, user: 'root', command: '/sbin/init' }, { pid: 2, user: 'root', command: '[kthreadd]' }, { pid: 725, user: 'ann', command: '/srv/orders --port 80' }, { pid: 31, user: 'ann', command: 'bash' }, { pid: 9, user: 'ann', command: '[worker]' }];

test('one sees one’s own, the youngest first', () => {
	assert.deepEqual(sortProcesses(list, 'ann', false).map(p => p.pid), [725, 31]);
	assert.deepEqual(sortProcesses(list, 'ann', true).map(p => p.pid), [725, 31, 9, 2, 1]);
	assert.deepEqual(sortProcesses(list, '', false).map(p => p.pid), [725, 31, 1], 'nobody knows who I am');
	assert.deepEqual(sortProcesses([{ pid: 4, command: 'x' }], 'ann', false).map(p => p.pid), [4], 'a far end that tells no users');
});

test('a row has the name, and what else one types', () => {
	assert.deepEqual(toItem(list[2]!), { label: 'orders', description: '725 ann', detail: '/srv/orders --port 80', pid: 725 });
	const names: [string, string][] = [['/a/b c', 'b'], ['"C:\\Program Files\\x.exe" -v', 'x.exe'], ['[kthreadd]', '[kthreadd]'], ['D:\\t\\y.exe', 'y.exe'], ['sshd: ann [priv]', 'sshd:'], ['/usr/bin/', '/usr/bin/'], ['', '']];
	for (const [command, want] of names) {
		assert.equal(programName(command), want, command);
	}
});

test('what ps prints is checked', () => {
	assert.deepEqual(parseProcesses('[{"pid":4,"command":"x","more":1},{"pid":"5","command":"y"},{"pid":6},null]'), [{ pid: 4, command: 'x', more: 1 }]);
	assert.deepEqual(parseProcesses('null\n'), []);
	assert.deepEqual(parseProcesses(''), []);
	assert.throws(() => parseProcesses('{"pid":1}'));
	assert.throws(() => parseProcesses('usage: ps'));
});
