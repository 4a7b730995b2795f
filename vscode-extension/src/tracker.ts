import * as vscode from 'vscode';
import type { Message } from './framing';
import { log } from './log';
import { masked } from './resolve';

/** What has changed in a session: modules, threads, values, memory or the session itself. */
export type Change = 'modules' | 'threads' | 'values';

const changed = new vscode.EventEmitter<{ session: vscode.DebugSession; change: Change }>();

/** Fires when a view of a session shows what is no longer so. */
export const onChange = changed.event;

/** Says that a command of ours has changed something that no event tells of. */
export function touched(session: vscode.DebugSession, change: Change): void {
	changed.fire({ session, change });
}

/** What an event of the adapter makes stale. */
const stale: Readonly<Record<string, readonly Change[]>> = {
	stopped: ['threads', 'values'],
	continued: ['threads'],
	terminated: ['modules', 'threads', 'values'],
	module: ['modules'],
	thread: ['threads'],
	process: ['modules', 'threads'],
	invalidated: ['threads', 'values'],
	memory: ['values'],
};

/** Requests that change values. */
const changing: ReadonlySet<string> = new Set(['setVariable', 'setExpression', 'restartFrame']);

/** Messages are cut to this length in the log. */
const longest = 4000;

/** Watches the messages of every session of ours: for the views, and for the log at its finest level. */
export class Trackers implements vscode.DebugAdapterTrackerFactory {
	createDebugAdapterTracker(session: vscode.DebugSession): vscode.DebugAdapterTracker {
		return {
			onWillReceiveMessage: m => trace(session, '->', m),
			onDidSendMessage: (m: Message) => {
				trace(session, '<-', m);
				if (m.type === 'event') {
					stale[m.event ?? '']?.forEach(change => changed.fire({ session, change }));
				} else if (m.type === 'response' && m.success && changing.has(m.command ?? '')) {
					changed.fire({ session, change: 'values' });
				}
			},
			onExit: code => log().debug(`${session.name}: exit status ${code}`),
			onError: err => log().error(`${session.name}: ${err.message}`),
		};
	}
}

/** A message without what the environment of a launch holds. */
function withoutEnv(m: Message): Message {
	const a = m.arguments as { env?: object } | undefined;
	return a?.env ? { ...m, arguments: { ...a, env: Object.fromEntries(Object.keys(a.env).map(k => [k, '...'])) } } : m;
}

function trace(session: vscode.DebugSession, direction: string, m: unknown): void {
	if (log().logLevel === vscode.LogLevel.Trace) {
		log().trace(`${session.name} ${direction} ${masked(JSON.stringify(withoutEnv(m as Message))).slice(0, longest)}`);
	}
}
