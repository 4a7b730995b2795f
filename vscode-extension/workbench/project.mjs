// The program that the checks debug: its file, and its lines by the words in their comments.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export const file = 'shop.cpp';
export const source = new URL(`project/${file}`, import.meta.url);

const lines = readFileSync(source, 'utf8').split('\n');

export function line(words) {
    const at = lines.findIndex((l) => l.includes(`// ${words}`));
    if (at < 0)
        throw new Error(`${file} has no line "${words}"`);
    return at + 1;
}

/** Writes the launch.json of a folder. */
export function configure(folder, configurations) {
    mkdirSync(path.join(folder, '.vscode'), { recursive: true });
    writeFileSync(path.join(folder, '.vscode', 'launch.json'), JSON.stringify({ version: '0.2.0', configurations }, null, 4));
}
