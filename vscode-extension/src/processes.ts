/** A process that can be attached to, as `dap-windbg ps --json` has it. */
export interface Process {
	pid: number;
	user?: string;
	command: string;
}

/** Reads what `ps --json` prints. Throws when it is something else. */
export function parseProcesses(text: string): Process[] {
	const list: unknown = JSON.parse(text || 'null') ?? [];
	if (!Array.isArray(list)) {
		throw new Error('the debugger listed no processes');
	}
	return list.filter((p): p is Process => typeof p?.pid === 'number' && typeof p?.command === 'string');
}

/** Puts the youngest process first. Unless all are wanted, those of others and of the kernel are left out. */
export function sortProcesses(list: readonly Process[], me: string, all: boolean): Process[] {
	const mine = (p: Process) => !p.command.startsWith('[') && (me === '' || p.user === undefined || p.user === me);
	return list.filter(p => all || mine(p)).sort((a, b) => b.pid - a.pid);
}

/** The program's name without its folder; the first word of the command line. */
export function programName(command: string): string {
	const first = /^\s*("[^"]*"|\S+)/.exec(command)?.[1]?.replace(/"/g, '') ?? command;
	return first.startsWith('[') ? command : first.split(/[/\\]/).pop() || first;
}

/** A row of the picker. */
export function toItem(p: Process): { label: string; description: string; detail: string; pid: number } {
	return { label: programName(p.command), description: `${p.pid}${p.user ? ` ${p.user}` : ''}`, detail: p.command, pid: p.pid };
}
