// The adapter driven by VS Code's own test client, through the scenario every
// client must pass: launch or attach, breakpoint, locals, step, command line,
// pause, leave. DAP_WINDBG names the built debugger, TOUR the compiled
// tests/dap/testdata/tour.c, TOUR_SOURCE its source.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import testsupport from '@vscode/debugadapter-testsupport';

const { DebugClient } = testsupport;
const { DAP_WINDBG: binary, TOUR: program, TOUR_SOURCE: source } = process.env;
const patience = 30_000;

const lines = readFileSync(source, 'utf8').split('\n');
const line = (word) => lines.findIndex((l) => l.includes(`/* ${word} */`)) + 1;

// The library's own waits have no limit: without this a lost answer ends node silently, and well.
const within = (what, promise) => {
    let timer;
    const limit = new Promise((_, no) => { timer = setTimeout(() => no(new Error(`${what}: nothing within ${patience} ms`)), patience); });
    return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
};

async function session(t) {
    const adapter = spawn(binary, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(adapter, 'exit');
    const dc = new DebugClient('', '', 'dap-windbg');
    dc.defaultTimeout = patience;
    dc.connect(adapter.stdout, adapter.stdin);
    t.after(async () => {
        adapter.stdin.end();
        await within('the end of the debugger', ended);
    });
    return { dc, ended };
}

// start configures breakpoints and returns the first stop.
async function start(dc, request, config, ...words) {
    const ready = dc.waitForEvent('initialized');
    const stopped = dc.waitForEvent('stopped');
    const capabilities = await within('initialize', dc.initializeRequest());
    assert.equal(capabilities.body.supportsConfigurationDoneRequest, true);
    const answer = dc.send(request, config);
    await within('initialized', Promise.race([ready, answer]));
    const set = await within('setBreakpoints', dc.setBreakpointsRequest({ source: { path: source }, breakpoints: words.map((w) => ({ line: line(w) })) }));
    assert.deepEqual(set.body.breakpoints.map((b) => b.verified), words.map(() => true));
    await within('configurationDone', dc.configurationDoneRequest());
    await within(request, answer);
    return (await within('the first stop', stopped)).body;
}

const byName = (list) => Object.fromEntries(list.map((x) => [x.name, x]));

async function locals(dc, threadId) {
    const frame = (await within('stackTrace', dc.stackTraceRequest({ threadId, startFrame: 0, levels: 20 }))).body.stackFrames[0];
    const scopes = byName((await within('scopes', dc.scopesRequest({ frameId: frame.id }))).body.scopes);
    const variables = (await within('variables', dc.variablesRequest({ variablesReference: scopes.Locals.variablesReference }))).body.variables;
    return { frame, variables: byName(variables) };
}

async function step(dc, kind, threadId) {
    const stopped = dc.waitForEvent('stopped');
    await within(kind, dc.send(kind, { threadId }));
    return (await within(`the end of ${kind}`, stopped)).body;
}

// command types a line into the debug console; a slow one answers by output events.
async function command(dc, expression) {
    let printed = '';
    const listen = (e) => { printed += e.body.output; };
    dc.on('output', listen);
    const answer = await within(expression, dc.evaluateRequest({ expression, context: 'repl' }));
    dc.off('output', listen);
    return answer.body.result || printed;
}

async function pause(dc, threadId) {
    const stopped = dc.waitForEvent('stopped');
    await within('pause', dc.pauseRequest({ threadId }));
    const stop = (await within('the pause', stopped)).body;
    assert.equal(stop.reason, 'pause');
}

test('launch', { timeout: 4 * patience }, async (t) => {
    const { dc, ended } = await session(t);
    const stop = await start(dc, 'launch', { program, args: ['spin'] }, 'in twice');
    assert.equal(stop.reason, 'breakpoint');
    let { frame, variables } = await locals(dc, stop.threadId);
    assert.equal(frame.line, line('in twice'));
    assert.equal(frame.source.path, source);
    assert.equal(variables.n.value, '0');

    assert.equal((await step(dc, 'next', stop.threadId)).reason, 'step');
    ({ frame, variables } = await locals(dc, stop.threadId));
    assert.equal(frame.line, line('in twice') + 1);
    assert.equal((await step(dc, 'stepOut', stop.threadId)).reason, 'step');
    ({ frame } = await locals(dc, stop.threadId));
    assert.equal(frame.name, 'main');

    assert.match(await command(dc, 'k'), /tour!main/);
    const total = await within('hover', dc.evaluateRequest({ expression: 's.corner[1].y', context: 'hover', frameId: frame.id }));
    assert.equal(total.body.result, '4');

    await within('setBreakpoints', dc.setBreakpointsRequest({ source: { path: source }, breakpoints: [] }));
    const printed = dc.assertOutput('stdout', 'total 90', patience);
    await within('continue', dc.continueRequest({ threadId: stop.threadId }));
    await within('the output', printed);
    await pause(dc, stop.threadId);
    await within('disconnect', dc.disconnectRequest({}));
    await within('the end', ended);
});

test('attach', { timeout: 4 * patience }, async (t) => {
    const victim = spawn(program, ['spin'], { detached: true, stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => victim.kill('SIGKILL'));
    await within('the program', once(victim.stdout, 'data'));
    const { dc, ended } = await session(t);
    const stop = await start(dc, 'attach', { processId: victim.pid }, 'ticking');
    assert.equal(stop.reason, 'breakpoint');
    const { frame } = await locals(dc, stop.threadId);
    assert.equal(frame.name, 'tick');
    await step(dc, 'next', stop.threadId);
    assert.match(await command(dc, 'k'), /tour!spin/);
    await within('setBreakpoints', dc.setBreakpointsRequest({ source: { path: source }, breakpoints: [] }));
    await within('continue', dc.continueRequest({ threadId: stop.threadId }));
    await pause(dc, stop.threadId);
    await within('disconnect', dc.disconnectRequest({}));
    await within('the end', ended);

    assert.equal(victim.exitCode, null);
    const status = readFileSync(`/proc/${victim.pid}/status`, 'utf8');
    assert.match(status, /^TracerPid:\t0$/m);
    assert.match(status, /^State:\t[SR]/m);
});

test('a program that ends', { timeout: 4 * patience }, async (t) => {
    const { dc } = await session(t);
    const exited = dc.waitForEvent('exited');
    const terminated = dc.waitForEvent('terminated');
    await within('configuration', Promise.all([dc.configurationSequence(), dc.launch({ program })]));
    assert.equal((await within('exited', exited)).body.exitCode, 7);
    await within('terminated', terminated);
    await within('disconnect', dc.disconnectRequest({}));
});

test('hitBreakpoint', { timeout: 4 * patience }, async (t) => {
    const { dc } = await session(t);
    await within('hitBreakpoint', dc.hitBreakpoint({ program }, { path: source, line: line('print') }));
    await within('disconnect', dc.disconnectRequest({}));
});
