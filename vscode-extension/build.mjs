// Bundles the extension into dist/extension.js; with --tests also the tests, which get
// a VS Code of their own (test/vscode.ts) in the place of the real one.
import { build } from 'esbuild';
import { readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as path from 'node:path';

const here = path.dirname(fileURLToPath(import.meta.url));
const common = { absWorkingDir: here, bundle: true, platform: 'node', target: 'node20', format: 'cjs', logLevel: 'warning' };

if (process.argv.includes('--tests')) {
	rmSync(path.join(here, 'out'), { recursive: true, force: true });
	await build({
		...common,
		entryPoints: readdirSync(path.join(here, 'test')).filter(f => f.endsWith('.test.ts')).map(f => `test/${f}`),
		outdir: 'out/test', outExtension: { '.js': '.cjs' }, sourcemap: 'inline', alias: { vscode: './test/vscode.ts' },
	});
} else {
	await build({ ...common, entryPoints: ['src/extension.ts'], outfile: 'dist/extension.js', external: ['vscode'], minify: true, sourcemap: 'linked' });
}
