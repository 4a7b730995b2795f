// The extension as a person meets it: a fresh profile of the real workbench, the .vsix installed,
// and every check done with mouse and keys and judged by what is on the screen.
//
//   node run.mjs --vsix FILE --hexeditor FILE [--only STORY] [--screenshots FOLDER]
//
// server.mjs starts and ends the workbench, page.mjs is what a person does and sees, stories/ has the
// checks in their order. A failed check leaves a picture of the screen behind.
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { chords, Workbench } from './page.mjs';
import { source } from './project.mjs';
import { installed, Profile, Server } from './server.mjs';
import attach from './stories/attach.mjs';
import bare from './stories/bare.mjs';
import children from './stories/children.mjs';
import launch from './stories/launch.mjs';
import trouble from './stories/trouble.mjs';

const { chromium } = createRequire(path.join(installed, 'x.js'))('playwright-core');
const stories = [launch, attach, bare, trouble, children];

const { values: options } = parseArgs({ options: {
    vsix: { type: 'string' },
    hexeditor: { type: 'string' },
    only: { type: 'string' },
    screenshots: { type: 'string' },
} });

const scratch = mkdtempSync(path.join(tmpdir(), 'workbench-'));
const started = Date.now();
const failures = [];
let passed = 0;

// A story's folder holds the project at its place in `scratch`, with what the story adds to it.
async function prepare(story) {
    const folder = path.join(scratch, story.name);
    mkdirSync(folder);
    cpSync(fileURLToPath(source), path.join(folder, path.basename(fileURLToPath(source))));
    await promisify(execFile)('g++', ['-g', '-O0', '-o', 'shop', 'shop.cpp'], { cwd: folder });
    if (story.configurations) {
        mkdirSync(path.join(folder, '.vscode'));
        writeFileSync(path.join(folder, '.vscode', 'launch.json'), JSON.stringify({ version: '0.2.0', configurations: story.configurations }, null, 4));
    }
    return folder;
}

async function tell(browser, server, profile, keys, story) {
    const folder = await prepare(story);
    const page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
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
        }
    }
    await workbench.stop().catch((e) => console.log(`        ${e.message}`));
    await story.after?.(workbench);
    await page.close();
}

const keys = chords(stories.flatMap((s) => s.keys ?? []));
const profile = new Profile(path.join(scratch, 'profile'), {}, keys);
await profile.install(options.vsix);
await profile.install(options.hexeditor);
const server = await Server.start(profile, path.join(scratch, 'server.log'));
try {
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
    try {
        console.log(`the workbench is up after ${((Date.now() - started) / 1000).toFixed(1)} s`);
        for (const story of stories.filter((s) => !options.only || options.only.split(',').includes(s.name)))
            await tell(browser, server, profile, keys, story);
    } finally {
        await browser.close();
    }
} finally {
    await server.stop();
}
console.log(`${passed} passed, ${failures.length} failed in ${((Date.now() - started) / 1000).toFixed(1)} s`);
if (failures.length > 0)
    process.exit(1);
rmSync(scratch, { recursive: true, force: true });
