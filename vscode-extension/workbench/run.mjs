// The extension as a person meets it: a fresh profile of the real workbench, the .vsix installed,
// and every check done with mouse and keys and judged by what is on the screen.
//
//   node run.mjs [--vsix FILE] [--only STORY,...] [--screenshots FOLDER] [--control]
//
// server.mjs starts and ends the workbench, page.mjs is what a person does and sees, stories/ has the
// checks in their order. A failed check leaves a picture of the screen behind and ends its story, but for
// those that only look. With --control the debugger lies (liar.mjs), and just the checks that look there must fail.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { lies } from './liar.mjs';
import { chords, Workbench } from './page.mjs';
import { configure, source } from './project.mjs';
import { installed, Profile, Server } from './server.mjs';
import attach from './stories/attach.mjs';
import bare from './stories/bare.mjs';
import children from './stories/children.mjs';
import launch from './stories/launch.mjs';
import trouble from './stories/trouble.mjs';
import welcome from './stories/welcome.mjs';

const { chromium } = createRequire(path.join(installed, 'x'))('playwright-core');
const here = path.dirname(fileURLToPath(import.meta.url));
const extension = path.dirname(here);
const { name, version } = JSON.parse(readFileSync(path.join(extension, 'package.json'), 'utf8'));
const stories = [launch, attach, bare, trouble, children, welcome];

const { values: options } = parseArgs({ options: {
    vsix: { type: 'string' },
    only: { type: 'string' },
    screenshots: { type: 'string' },
    control: { type: 'boolean', default: false },
} });

const scratch = mkdtempSync(path.join(tmpdir(), 'workbench-'));
const started = Date.now();
const failures = [];
let passed = 0;

async function packHexEditor() {
    const { createVSIX } = createRequire(path.join(extension, 'packaging', 'x'))('@vscode/vsce');
    const packagePath = path.join(scratch, 'hexeditor.vsix');
    await createVSIX({ cwd: path.join(here, 'hexeditor'), packagePath, dependencies: false, allowMissingRepository: true, skipLicense: true });
    return packagePath;
}

// A story's folder holds the project at its place in `scratch`, with what the story adds to it.
async function prepare(story) {
    const folder = path.join(scratch, story.name);
    mkdirSync(folder);
    cpSync(fileURLToPath(source), path.join(folder, path.basename(fileURLToPath(source))));
    await promisify(execFile)('g++', ['-g', '-O0', '-o', 'shop', 'shop.cpp'], { cwd: folder });
    if (story.configurations)
        configure(folder, story.configurations);
    return folder;
}

async function tell(browser, server, profile, keys, story) {
    const folder = await prepare(story);
    const page = await browser.newPage({ viewport: { width: 1280, height: 960 } });
    const workbench = new Workbench(page, keys);
    workbench.pictures = options.screenshots;
    workbench.folder = folder;
    workbench.profile = profile;
    await workbench.open(server.page(folder));
    await story.before?.(workbench);
    for (const [name, check] of Object.entries(story.checks)) {
        const begun = Date.now();
        try {
            await check(workbench);
            passed++;
            console.log(`ok      ${story.name}: ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
        } catch (e) {
            failures.push(`${story.name}: ${name}`);
            const picture = path.join(scratch, `${story.name}-${failures.length}.png`);
            await page.screenshot({ path: picture }).catch(() => {});
            console.log(`FAILED  ${story.name}: ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)\n${e.stack.replace(/^/gm, '        ')}\n        picture: ${picture}`);
            if (!check.looks)
                break;
        }
    }
    await workbench.stop().catch((e) => console.log(`        ${e.message}`));
    await story.after?.(workbench);
    await page.close();
}

const keys = chords(stories.flatMap((s) => s.keys ?? []));
const profile = new Profile(path.join(scratch, 'profile'), {}, keys);
await profile.install(options.vsix ?? path.join(extension, `${name}-${version}-${process.platform}-${process.arch}.vsix`));
await profile.install(await packHexEditor());
if (options.control)
    profile.set({ 'dap-windbg.executable': path.join(here, 'liar.mjs') });
process.env.LIAR_PROGRAM = path.join(profile.extensions, readdirSync(profile.extensions).find((f) => f.startsWith(`${name}.${name}-`)), 'bin', name);
const server = await Server.start(profile, path.join(scratch, 'server.log'));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.once(signal, () => server.stop().finally(() => process.exit(1))); // the browser ends by itself
try {
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'], handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false });
    try {
        console.log(`the workbench is up after ${((Date.now() - started) / 1000).toFixed(1)} s`);
        const told = options.control ? 'launch' : options.only;
        for (const story of stories.filter((s) => !told || told.split(',').includes(s.name)))
            await tell(browser, server, profile, keys, story);
    } finally {
        await browser.close();
    }
} finally {
    await server.stop();
}
console.log(`${passed} passed, ${failures.length} failed in ${((Date.now() - started) / 1000).toFixed(1)} s`);
const expected = options.control ? lies.map((lie) => `launch: ${lie.check}`) : [];
if (failures.toSorted().join('\n') !== expected.toSorted().join('\n')) {
    if (options.control)
        console.log(`these should have failed, and no others:\n${expected.join('\n')}`);
    process.exit(1);
}
rmSync(scratch, { recursive: true, force: true });
