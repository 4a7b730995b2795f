// Waits end when what they wait for is there; the limit is only for what never comes.
import { setTimeout as pause } from 'node:timers/promises';

export const patience = Number(process.env.PATIENCE ?? 180) * 1000; // milliseconds; a busy machine needs some

/**
 * Asks `ready` again and again until it gives something true, and gives that. What `ready` throws ends the wait.
 * `what` is the sentence of the failure.
 */
export async function until(what, ready, limit = patience) {
    const end = Date.now() + limit;
    for (;;) {
        const got = await ready();
        if (got)
            return got;
        if (Date.now() > end)
            throw new Error(`${what}: not within ${limit / 1000} s`);
        await pause(50);
    }
}
