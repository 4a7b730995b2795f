import { onPath, variable, type Platform } from './platform';

/** The debugger's program, and where it was found. */
export interface Binary {
	path: string;
	from: 'setting' | 'PATH' | 'extension';
}

/** No debugger can be started: why, and what would help. */
export class BinaryMissing extends Error {
	constructor(message: string, readonly tried: readonly string[]) {
		super(message);
	}
}

/**
 * Finds the debugger: the setting, else the one in the extension's package, else
 * PATH. A setting that names nothing is an error: falling back would start another
 * program than the user asked for. Nothing is ever downloaded.
 */
export function findBinary(p: Platform, setting: string, extensionPath: string): Binary {
	const named = expand(p, setting.trim());
	if (named !== '') {
		return fromSetting(p, named);
	}
	const bundled = p.path.join(extensionPath, 'bin', p.os === 'win32' ? 'dap-windbg.exe' : 'dap-windbg');
	if (p.isExecutable(bundled)) {
		return { path: bundled, from: 'extension' };
	}
	const found = onPath(p, 'dap-windbg');
	if (found !== undefined) {
		return { path: found, from: 'PATH' };
	}
	throw new BinaryMissing(
		'The debugger dap-windbg was not found: it is neither in this extension nor in a folder of PATH. Install it, or name it in the setting dap-windbg.executable.',
		[bundled, 'PATH'],
	);
}

function fromSetting(p: Platform, named: string): Binary {
	if (!/[/\\]/.test(named)) { // a name alone
		const found = onPath(p, p.os === 'win32' ? named.replace(/\.exe$/i, '') : named);
		if (found !== undefined) {
			return { path: found, from: 'setting' };
		}
		throw new BinaryMissing(`The setting dap-windbg.executable names ${named}, which is in no folder of PATH.`, [named]);
	}
	if (!p.path.isAbsolute(named)) {
		throw new BinaryMissing(`The setting dap-windbg.executable must be a name in PATH or a whole path, not ${named}.`, [named]);
	}
	if (!p.isFile(named)) {
		throw new BinaryMissing(`The setting dap-windbg.executable names ${named}, which does not exist.`, [named]);
	}
	if (!p.isExecutable(named)) {
		throw new BinaryMissing(`The setting dap-windbg.executable names ${named}, which is not executable.`, [named]);
	}
	return { path: named, from: 'setting' };
}

/** Replaces a leading ~ and ${env:NAME}. */
function expand(p: Platform, text: string): string {
	const home = variable(p, p.os === 'win32' ? 'USERPROFILE' : 'HOME');
	const whole = home !== undefined && /^~(?=$|[/\\])/.test(text) ? home + text.slice(1) : text;
	return whole.replace(/\$\{env:([^}]+)\}/g, (_, name: string) => variable(p, name) ?? '');
}
