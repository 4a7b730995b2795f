#!/usr/bin/env node
// The negative control: a debugger whose answers are false in some places. It stands between the workbench and the
// program that LIAR_PROGRAM names. The checks that look at those places must fail, and no other.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** What is falsified, and the check that must notice it. */
export const lies = [
    {
        check: 'pointing at a name shows its value',
        command: 'evaluate', asked: (a) => a.context === 'hover',
        tell: (body) => ({ ...body, result: 'no such thing' }),
    },
    {
        check: 'k shows the stack in the Debug Console',
        command: 'evaluate', asked: (a) => a.context === 'repl' && a.expression === 'k',
        tell: (body) => ({ ...body, result: body.result.replaceAll('shop!main', 'shop!niam') }),
    },
    {
        check: 'commands are completed',
        command: 'completions', asked: () => true,
        tell: (body) => ({ targets: body.targets.map((t) => ({ ...t, label: '.symptom', text: '.symptom' })) }),
    },
    {
        check: 'the Disassembly view shows instructions under their source lines',
        command: 'disassemble', asked: () => true,
        tell: (body) => ({ instructions: body.instructions.map(({ location, line, ...rest }) => rest) }),
    },
];

// Calls `each` with every message of a stream.
function messages(stream, each) {
    let rest = Buffer.alloc(0);
    stream.on('data', (piece) => {
        rest = Buffer.concat([rest, piece]);
        for (;;) {
            const head = rest.indexOf('\r\n\r\n');
            if (head < 0)
                return;
            const length = Number(rest.toString('latin1', 0, head).match(/Content-Length: *(\d+)/i)[1]);
            if (rest.length < head + 4 + length)
                return;
            each(JSON.parse(rest.toString('utf8', head + 4, head + 4 + length)));
            rest = rest.subarray(head + 4 + length);
        }
    });
}

function send(stream, message) {
    const text = JSON.stringify(message);
    stream.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}

function relay() {
    const args = process.argv.slice(2);
    const truthful = spawn(process.env.LIAR_PROGRAM, args, { stdio: args.length > 0 ? 'inherit' : ['pipe', 'pipe', 'inherit'] });
    truthful.on('exit', (code) => process.exit(code ?? 1));
    if (args.length > 0)
        return; // a question of the command line
    const asked = new Map(); // requests that will get a false answer, by number
    messages(process.stdin, (request) => {
        const lie = lies.find((l) => l.command === request.command && l.asked(request.arguments ?? {}));
        if (lie)
            asked.set(request.seq, lie);
        send(truthful.stdin, request);
    });
    process.stdin.on('end', () => truthful.stdin.end());
    messages(truthful.stdout, (message) => {
        const lie = message.type === 'response' && message.success && asked.get(message.request_seq);
        send(process.stdout, lie ? { ...message, body: lie.tell(message.body) } : message);
    });
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url))
    relay();
