import * as vscode from 'vscode';
import { BinaryMissing } from './binary';
import { currentBinary } from './debugger';
import { log } from './log';
import { configure, openSetting, showLog, tellError } from './notify';
import { pickProcess } from './picker';
import { host } from './platform';
import { addDefaults, contradiction, forLog, needsProcess, portable, unusable, type Configuration, type Refusal } from './resolve';
import { section, setting } from './settings';
import { chooseWay } from './ways';
import { traceFile } from './wire';

type Resolved = Promise<vscode.DebugConfiguration | undefined | null>;

/**
 * Completes launch configurations in two phases: before variables are replaced, what
 * settings and questions add; afterwards, what can be checked only then. undefined
 * ends the start silently, null opens launch.json.
 */
export class Provider implements vscode.DebugConfigurationProvider {
	async resolveDebugConfiguration(folder: vscode.WorkspaceFolder | undefined, config: vscode.DebugConfiguration): Resolved {
		let c: Configuration = config;
		if (!c.type && !c.request && !c.name) { // F5 without launch.json
			const chosen = await chooseWay(folder);
			if (chosen === undefined) {
				return undefined;
			}
			c = chosen;
		}
		const refusal = contradiction(c);
		if (refusal !== undefined) {
			return refuse(refusal);
		}
		if (!usable()) {
			return undefined;
		}
		c = addDefaults(c, name => setting(name, folder));
		if (needsProcess(c)) {
			const pid = await pickProcess(typeof c.processServer === 'string' ? c.processServer : undefined);
			if (pid === undefined) {
				return undefined;
			}
			c.processId = pid;
		}
		c.__workspaceTrusted = vscode.workspace.isTrusted;
		return c;
	}

	async resolveDebugConfigurationWithSubstitutedVariables(_: vscode.WorkspaceFolder | undefined, config: vscode.DebugConfiguration): Resolved {
		const refusal = unusable(config, host, vscode.workspace.isTrusted);
		if (refusal !== undefined) {
			return refuse(refusal);
		}
		const trace = traceFile(config.name);
		if (trace !== undefined && config.trace === undefined && vscode.workspace.isTrusted) {
			config.trace = trace;
		}
		log().info(`configuration: ${forLog(config)}`);
		return config;
	}

	/** What goes into a new launch.json; something to fill in for those who choose nothing. */
	async provideDebugConfigurations(folder: vscode.WorkspaceFolder | undefined): Promise<vscode.DebugConfiguration[]> {
		const chosen = await chooseWay(folder);
		return [chosen === undefined ? template : portable(chosen, folder?.uri.fsPath, host)];
	}
}

const template: Configuration = { type: section, request: 'launch', name: 'Launch', program: '${workspaceFolder}/a.out' };

function refuse(r: Refusal): undefined {
	tellError(r.message, ...(r.configure ? [configure] : []), showLog);
	return undefined;
}

/** Whether there is a debugger; says what to do when there is none. */
export function usable(): boolean {
	try {
		const found = currentBinary();
		log().info(`debugger: ${found.path} (${found.from})`);
		return true;
	} catch (err) {
		if (err instanceof BinaryMissing) {
			log().info(`tried: ${err.tried.join(', ')}`);
		}
		tellError((err as Error).message, openSetting(`${section}.executable`), showLog);
		return false;
	}
}
