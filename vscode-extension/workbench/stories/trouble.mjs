// What goes wrong is said, with buttons that lead to where it is mended.
import assert from 'node:assert/strict';

const shop = { type: 'dap-windbg', request: 'launch', program: '${workspaceFolder}/shop' };

export default {
    name: 'trouble',
    configurations: [
        { ...shop, name: 'Shop' },
        { ...shop, name: 'No server', gdbserver: '/nonexistent/gdbserver' },
        { ...shop, name: 'No program', program: '${workspaceFolder}/shopp' },
        { ...shop, name: 'Misspelt', programm: 'x' },
    ],

    async after(w) {
        w.profile.set({ 'dap-windbg.executable': '' });
    },

    checks: {
        async 'a program that is not there'(w) {
            await w.start('No program');
            const buttons = await w.buttons('shopp');
            assert.ok(buttons.includes('Configure'), `${buttons}`);
            await w.answer('shopp', 'Configure');
            await w.editor('launch.json').waitFor();
            await w.command('notifications.clearAll');
        },

        async 'an attribute that there is not'(w) {
            await w.start('Misspelt');
            await w.buttons('program');
            await w.command('notifications.clearAll');
        },

        async 'gdbserver is not there'(w) {
            await w.start('No server');
            const buttons = await w.buttons('/nonexistent/gdbserver');
            assert.ok(buttons.includes('Show Log'), `${buttons}`);
            await w.picture('trouble', { x: 780, y: 560, width: 500, height: 300 });
            await w.command('notifications.clearAll');
        },

        async 'the debugger is not there'(w) {
            w.profile.set({ 'dap-windbg.executable': '/nonexistent/dap-windbg' });
            await w.start('Shop');
            const buttons = await w.buttons('names /nonexistent/dap-windbg, which does not exist');
            assert.ok(buttons.includes('Open Settings') && buttons.includes('Show Log'), `${buttons}`);
            await w.answer('/nonexistent/dap-windbg', 'Open Settings');
            await w.page.locator('.settings-editor').waitFor();
        },
    },
};
