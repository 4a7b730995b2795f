import * as path from 'node:path';
import type { Platform } from '../src/platform';

/** A machine with these files; those whose name ends in * can be executed. */
export function machine(os: NodeJS.Platform, files: string[], env: Record<string, string> = {}): Platform {
	const there = new Map(files.map(f => [f.replace(/\*$/, ''), f.endsWith('*')]));
	return { os, env, path: os === 'win32' ? path.win32 : path.posix, isFile: f => there.has(f), isExecutable: f => there.get(f) === true };
}
