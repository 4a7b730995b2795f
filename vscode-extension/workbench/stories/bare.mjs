// A folder without launch.json: F5 asks how to start.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import path from 'node:path';
import { file, line } from '../project.mjs';

let server;

// A gdbserver with the program, on a port of its own choice.
async function listen(program) {
    server = spawn('gdbserver', ['--once', '127.0.0.1:0', program], { stdio: ['ignore', 'ignore', 'pipe'] });
    for await (const said of createInterface(server.stderr)) {
        const port = said.match(/Listening on port (\d+)/)?.[1];
        if (port)
            return port;
    }
    throw new Error('gdbserver says no port');
}

export default {
    name: 'bare',

    async after() {
        server?.kill('SIGKILL');
    },

    checks: {
        async 'F5 asks how to start'(w) {
            await w.toggleBreakpoint(file, line('call'));
            await w.press('F5');
            await w.picks.filter({ hasText: 'Launch a program' }).waitFor();
            assert.ok(await w.picks.filter({ hasText: 'Open a core file' }).count() > 0);
            await w.picture('start', { x: 320, y: 0, width: 640, height: 420 });
        },

        async 'the program is asked for and stops at the breakpoint'(w) {
            await w.pick('Launch a program');
            await w.page.locator('.quick-input-widget', { hasText: 'Program to debug' }).waitFor();
            await w.page.locator('.quick-input-list .monaco-list-row').getByText('shop', { exact: true }).first().click();
            await w.stopsAt(file, line('call'));
            await w.stop();
        },

        async 'host and port are asked for and checked'(w) {
            const port = await listen(path.join(w.folder, 'shop'));
            await w.press('F5');
            await w.pick('Attach to a gdbserver');
            await w.answerInput('Where gdbserver listens', 'localhost:99999');
            await w.page.locator('.quick-input-message', { hasText: 'the port is a number from 1 to 65535' }).waitFor();
            await w.answerInput('Where gdbserver listens', `localhost:${port}`);
            await w.press('Enter');
            await w.stopsAt(file, line('call'));
            await w.stop();
        },
    },
};
