// The program that the checks debug: its file, and its lines by the words in their comments.
import { readFileSync } from 'node:fs';

export const file = 'shop.cpp';
export const source = new URL(`project/${file}`, import.meta.url);

const lines = readFileSync(source, 'utf8').split('\n');

export function line(words) {
    const at = lines.findIndex((l) => l.includes(`// ${words}`));
    if (at < 0)
        throw new Error(`${file} has no line "${words}"`);
    return at + 1;
}
