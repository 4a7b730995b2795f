import { execFile } from 'node:child_process';
import { findBinary, type Binary } from './binary';
import { host } from './platform';
import { setting } from './settings';

let extensionPath = '';

/** Says where the extension's own files are. */
export function install(path: string): void {
	extensionPath = path;
}

/** The debugger to use now; settings may change between sessions. Throws BinaryMissing. */
export function currentBinary(): Binary {
	return findBinary(host, setting<string>('executable'), extensionPath);
}

/** The most that a command of the debugger may print, in bytes. */
const most = 64 << 20;

/** Runs a command of the debugger and returns what it prints. Rejects with what it complained about. */
export function run(args: readonly string[], limit: number, signal?: AbortSignal): Promise<string> {
	return new Promise((resolve, reject) => {
		const done = (err: Error | null, out: string, complaint: string) => {
			if (err === null) {
				resolve(out);
			} else {
				reject(new Error(complaint.trim() || err.message));
			}
		};
		const child = execFile(currentBinary().path, args, { timeout: limit, maxBuffer: most, windowsHide: true, ...(signal && { signal }) }, done);
		child.stdin?.end();
	});
}
