// A program that forks: the child is a session of its own.
import { file, line } from '../project.mjs';

export default {
    name: 'children',
    configurations: [{ name: 'Workers', type: 'dap-windbg', request: 'launch', program: '${workspaceFolder}/shop', args: ['fork'], followForks: 'both' }],

    checks: {
        async 'the child stops at a breakpoint of its own session'(w) {
            await w.toggleBreakpoint(file, line('at work'));
            await w.press('F5');
            await w.stopsAt(file, line('at work'));
            await w.row('Call Stack', 'Stack Frame work');
            await w.row('Call Stack', 'Session Workers');
            await w.picture('children', { x: 0, y: 0, width: 800, height: 960 });
        },

        async 'both run to their ends'(w) {
            await w.press('F5');
            await w.ended();
            await w.consoleOf('Workers');
            await w.said(/worker ended with 42/);
        },
    },
};
