// A program that runs is picked from the list of processes, looked at and left running.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { file, line } from '../project.mjs';
import { until } from '../until.mjs';

const status = (pid, field) => readFileSync(`/proc/${pid}/status`, 'utf8').match(new RegExp(`^${field}:\\s*(\\S+)`, 'm'))[1];

let program;

export default {
    name: 'attach',
    keys: ['dap-windbg.attach'],

    async before(w) {
        program = spawn(path.join(w.folder, 'shop'), ['stay'], { stdio: 'ignore' });
        await once(program, 'spawn');
    },

    async after() {
        program.kill('SIGKILL');
    },

    checks: {
        async 'the list of processes is filtered while typing'(w) {
            await w.command('dap-windbg.attach');
            await w.picks.first().waitFor();
            await w.answerInput('Attach to a process', `${program.spawnfile} stay`);
            await until('one process is left', async () => await w.picks.count() === 1);
            assert.match(await w.picks.innerText(), new RegExp(`shop[^]*${program.pid}`));
            await w.picture('attach', { x: 320, y: 0, width: 640, height: 140 });
        },

        async 'the chosen process is attached to and runs on'(w) {
            await w.press('Enter');
            await w.tool('pause').waitFor();
            await until('a debugger traces it', () => status(program.pid, 'TracerPid') !== '0');
            assert.notEqual(status(program.pid, 'State'), 't');
        },

        async 'it is paused'(w) {
            await w.press('F6');
            await w.tool('continue').waitFor();
            await w.row('Call Stack', `Stack Frame stay, line ${line('beating')}, ${file}`);
            assert.equal(status(program.pid, 'State'), 't');
        },

        async 'leaving it leaves it running'(w) {
            await w.stop();
            await until('no debugger traces it', () => status(program.pid, 'TracerPid') === '0');
            const before = status(program.pid, 'voluntary_ctxt_switches');
            await until('it goes on', () => Number(status(program.pid, 'voluntary_ctxt_switches')) > Number(before) + 3);
            assert.equal(program.exitCode, null);
            assert.equal(program.signalCode, null);
        },
    },
};
