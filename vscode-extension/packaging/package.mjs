// Makes a .vsix for each platform that is named (this machine's, when none is), with
// the debugger's program for it: node package.mjs [linux-x64 win32-arm64 ...]
import { createVSIX } from '@vscode/vsce';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';

const extension = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const systems = { linux: 'linux', alpine: 'linux', darwin: 'darwin', win32: 'windows' };
const machines = { x64: 'amd64', arm64: 'arm64', armhf: 'arm' };
const go = process.env.GO || 'go';

/** Builds the program for a platform as VS Code names it, such as win32-arm64. */
function compile(platform) {
	const [system, machine] = platform.split('-');
	if (!systems[system] || !machines[machine]) {
		throw new Error(`${platform} is no platform: linux-x64, linux-arm64, alpine-x64, darwin-arm64, win32-x64 and the like are`);
	}
	const bin = path.join(extension, 'bin');
	rmSync(bin, { recursive: true, force: true });
	mkdirSync(bin);
	const program = path.join(bin, system === 'win32' ? 'dap-windbg.exe' : 'dap-windbg');
	execFileSync(go, ['build', '-trimpath', '-ldflags=-s -w', '-o', program, './cmd/dap-windbg'], {
		cwd: path.dirname(extension), stdio: 'inherit',
		env: { ...process.env, CGO_ENABLED: '0', GOOS: systems[system], GOARCH: machines[machine] },
	});
}

const { name, version } = JSON.parse(readFileSync(path.join(extension, 'package.json'), 'utf8'));
const named = process.argv.slice(2);
for (const platform of named.length > 0 ? named : [`${process.platform}-${process.arch}`]) {
	compile(platform);
	const packagePath = path.join(extension, `${name}-${version}-${platform}.vsix`);
	await createVSIX({ cwd: extension, target: platform, packagePath, dependencies: false, allowMissingRepository: true, skipLicense: false });
}
