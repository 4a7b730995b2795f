import { randomInt } from 'node:crypto';
import * as vscode from 'vscode';
import { inSession } from './code';
import { command, type } from './session';

/** Lets others join the session, and copies what they need to do so. */
export function share(): Promise<void> {
	return inSession(async s => {
		const port = await vscode.window.showInputBox({
			title: 'Share this debug session', value: '5005', ignoreFocusOut: true, prompt: 'TCP port that others connect to',
			validateInput: t => (/^\d{1,5}$/.test(t) && Number(t) > 0 && Number(t) < 65536 ? undefined : 'A number from 1 to 65535'),
		});
		if (port === undefined) {
			return;
		}
		const password = await vscode.window.showInputBox({
			title: 'Share this debug session', value: newPassword(), ignoreFocusOut: true,
			prompt: 'Password; who has it can do with your program what you can',
			validateInput: t => (t === '' ? 'A session is not shared without a password' : /^[A-Za-z0-9]{1,12}$/.test(t) ? undefined : 'At most 12 letters and digits'),
		});
		if (password === undefined) {
			return;
		}
		const answer = await command(s, `.server tcp:port=${port},password=${password}`);
		vscode.debug.activeDebugConsole.append(answer);
		const join = joiningString(answer, password);
		if (join === undefined) {
			throw new Error(`The session is not shared: ${whyNot(answer)}`);
		}
		await vscode.env.clipboard.writeText(join);
		void vscode.window.showInformationMessage('The session is shared. What others write into "remote" of an attach configuration has been copied.');
	});
}

/** A password of as many letters and digits as one may have. */
export function newPassword(): string {
	const signs = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789';
	return Array.from({ length: 12 }, () => signs[randomInt(signs.length)]).join('');
}

/** The connection string in what .server prints, with the password that is hidden there. */
export function joiningString(answer: string, password: string): string | undefined {
	return /-remote\s+(tcp:\S+|npipe:\S+|ssl:\S+|spipe:\S+)/.exec(answer)?.[1]?.replace('Password=*', `Password=${password}`);
}

/** The reason in a refused command's text, which stands in parentheses behind the command. */
export function whyNot(answer: string): string {
	return /error in '.*' \((.*)\)\s*$/s.exec(answer)?.[1] ?? (answer.trim().split('\n')[0]?.replace(/^\^\s*/, '') || 'the debugger does not say why.');
}

/** Tells who has joined. */
export const clients = (): Promise<void> => inSession(s => type(s, '.clients'));

/** Ends the sharing; the session goes on. */
export const unshare = (): Promise<void> => inSession(s => type(s, '.endsrv 0'));
