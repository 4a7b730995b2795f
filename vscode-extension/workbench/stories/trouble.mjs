// What goes wrong is said, with buttons that lead to where it is mended.
import assert from 'node:assert/strict';
import { configure } from '../project.mjs';

const shop = { type: 'dap-windbg', request: 'launch', program: '${workspaceFolder}/shop' };

async function start(w, name, attributes) {
    configure(w.folder, [{ ...shop, name, ...attributes }]);
    await w.start(name);
}

export default {
    name: 'trouble',

    async after(w) {
        w.profile.set({ 'dap-windbg.executable': '' });
    },

    checks: {
        async 'a program that is not there'(w) {
            await start(w, 'No program', { program: '${workspaceFolder}/shopp' });
            const buttons = await w.buttons('shopp');
            assert.ok(buttons.includes('Configure'), `${buttons}`);
            await w.answer('shopp', 'Configure');
            await w.editor('launch.json').waitFor();
            await w.command('notifications.clearAll');
        },

        async 'an attribute that there is not'(w) {
            await start(w, 'Misspelt', { programm: 'x' });
            await w.buttons('program');
            await w.command('notifications.clearAll');
        },

        async 'gdbserver is not there'(w) {
            await start(w, 'No server', { gdbserver: '/nonexistent/gdbserver' });
            const buttons = await w.buttons('/nonexistent/gdbserver');
            assert.ok(buttons.includes('Show Log'), `${buttons}`);
            await w.picture('trouble', { x: 780, y: 740, width: 500, height: 220 });
            await w.command('notifications.clearAll');
        },

        async 'the debugger is not there'(w) {
            w.profile.set({ 'dap-windbg.executable': '/nonexistent/dap-windbg' });
            await start(w, 'Shop', {});
            const buttons = await w.buttons('names /nonexistent/dap-windbg, which does not exist');
            assert.ok(buttons.includes('Open Settings') && buttons.includes('Show Log'), `${buttons}`);
            await w.answer('/nonexistent/dap-windbg', 'Open Settings');
            await w.page.locator('.settings-editor').waitFor();
        },
    },
};
