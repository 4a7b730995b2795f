// A C++ project with a launch.json: from F5 to the end of the program.
import assert from 'node:assert/strict';
import { look } from '../look.mjs';
import { file, line } from '../project.mjs';

const call = line('call');

export default {
    name: 'launch',
    configurations: [{ name: 'Shop', type: 'dap-windbg', request: 'launch', program: '${workspaceFolder}/shop' }],
    checks: {
        async 'a click beside a line sets a breakpoint'(w) {
            await w.toggleBreakpoint(file, call);
        },

        async 'F5 stops there'(w) {
            await w.press('F5');
            await w.stopsAt(file, call);
            await w.row('Call Stack', `Stack Frame shop, line ${call}, ${file}`);
            await w.row('Call Stack', `Stack Frame main`);
        },

        'Variables shows a vector and a map': look(async (w) => {
            await w.row('Variables', 'items, value { size=3 }');
            await w.expand('Variables', 'items, value');
            await w.expand('Variables', '[0], value');
            await w.row('Variables', 'name, value "apple"');
            await w.row('Variables', 'count, value 3');
            await w.row('Variables', 'price, value 0.5');
            await w.collapse('Variables', 'items, value');
            await w.expand('Variables', 'shelf, value { size=3 }');
            await w.row('Variables', /^\["apple"\], value 40/);
            await w.collapse('Variables', 'shelf, value');
        }),

        'pointing at a name shows its value': look(async (w) => {
            assert.match(await w.hover(file, call, 'items'), /size=3/);
        }),

        'an expression is watched': look(async (w) => {
            await w.watch('items[1].price * 4');
            await w.row('Watch', 'items[1].price * 4, value 9');
        }),

        'k shows the stack in the Debug Console': look(async (w) => {
            await w.say('k');
            assert.match(await w.said(/Call Site/), /shop!shop.*\n.*shop!main/);
            await w.picture('stopped');
        }),

        'dx shows a container in the Debug Console': look(async (w) => {
            await w.say('dx shelf');
            await w.said(/shelf[^]*\["bread"\][^]*7/);
        }),

        'commands are completed': look(async (w) => {
            await w.clearConsole();
            await w.type('.symp');
            assert.ok((await w.suggestions()).some((s) => s.includes('.sympath')));
            await w.picture('completion', { x: 352, y: 640, width: 640, height: 320 });
            await w.press('Escape');
        }),

        'modules, threads and registers have views': look(async (w) => {
            await w.row('Modules', /\/shop(\n|$)/);
            await w.row('Modules', /\/libc\.so/);
            await w.picture('modules', { x: 0, y: 560, width: 350, height: 370 });
            await w.close('Modules');
            await w.row('Processes and Threads', /shop/);
            await w.close('Processes and Threads');
            await w.row('Registers', 'rip = 0x');
            await w.close('Registers');
        }),

        async 'a value is changed'(w) {
            await w.setValue('sold', '5');
            await w.row('Variables', 'sold, value 5');
            await w.say('?? sold');
            await w.said(/int 0n5/);
        },

        async 'step into, out and over'(w) {
            await w.press('F11');
            await w.stopsAt(file, line('total begins'));
            await w.row('Call Stack', 'Stack Frame total');
            await w.press('Shift+F11');
            await w.stopsAt(file, call);
            await w.press('F10');
            await w.stopsAt(file, call + 1);
            await w.row('Variables', 'bill, value 17.625');
        },

        'the Disassembly view shows instructions under their source lines': look(async (w) => {
            await w.rowMenu('Call Stack', 'Stack Frame shop', 'Open Disassembly View');
            const rows = await w.disassembly((r) => r.some((row) => row.current));
            const current = rows.findIndex((row) => row.current);
            await w.picture('disassembly', { x: 0, y: 0, width: 1280, height: 620 });
            assert.match(rows[current].text, /for \(const Item &item : items\)/);
        }),

        async 'memory is edited and Variables shows it'(w) {
            await w.viewMemory('label, value "ORANGES"');
            assert.deepEqual((await w.memory()).slice(0, 8), ['4f', '52', '41', '4e', '47', '45', '53', '00']);
            await w.setByte(0, '61');
            await w.row('Variables', 'label, value "aRANGES"');
            await w.picture('memory', { x: 0, y: 0, width: 1280, height: 620 });
        },

        async 'a data breakpoint stops where the value changes'(w) {
            await w.rowMenu('Variables', 'sold, value 5', 'Break on Value Change');
            await w.row('Breakpoints', 'sold');
            await w.press('F5');
            await w.stopsAt(file, call + 1); // the instruction after the one that wrote is the loop's next turn
            await w.row('Variables', 'sold, value 8');
        },

        async 'a conditional breakpoint stops where its condition holds'(w) {
            await w.command('workbench.debug.viewlet.action.removeAllBreakpoints');
            await w.addBreakpoint(file, line('counting'), 'Add Conditional Breakpoint', 'i == 700');
            await w.hasGlyph(file, line('counting'), 'debug-breakpoint-conditional');
            await w.press('F5');
            await w.stopsAt(file, line('counting'));
            await w.row('Variables', 'i, value 700');
        },

        async 'a log point speaks in the Debug Console and does not stop'(w) {
            await w.command('workbench.debug.viewlet.action.removeAllBreakpoints');
            await w.addBreakpoint(file, line('counted'), 'Add Logpoint', 'in all {counted}');
            await w.hasGlyph(file, line('counted'), 'debug-breakpoint-log');
            await w.clearConsole();
            await w.press('F5');
            await w.said(/in all 499500/);
        },

        async 'the program ends and its output is there'(w) {
            await w.said(/sold 11 for 17\.62, label aRANGES, sum 499500/);
            await w.ended();
        },
    },
};
