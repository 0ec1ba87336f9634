import { setTimeout as delay } from 'node:timers/promises';
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { ownerOf } from '../os/lock.ts';
import type { ControlClient } from '../wire/control.ts';
import type { Context } from './command.ts';

/** How long the daemon may take to answer before it gets a signal, and to end. Milliseconds. */
const ANSWER_TIMEOUT = 5000;
const END_TIMEOUT = 25_000;

/** `stop`: ends all sessions and the daemon, and waits until it has ended. Succeeds if no daemon runs. */
export function stopCommand(context: Context): CommandModule<object, object> {
  return {
    command: 'stop',
    builder: (yargs) =>
      yargs.example('warder stop', 'closes the input of all servers, then sends SIGTERM, then SIGKILL'),
    handler: () => stop(context),
  };
}

/** Stops the daemon. Throws `daemon-unreachable` if it does not end. */
export async function stop(context: Context): Promise<void> {
  const { places, terminal, json } = context;
  const owner = ownerOf(places.lock);
  if (owner === undefined) {
    if (json) terminal.json({ stopped: null, sessions: 0 });
    else terminal.out('no daemon runs');
    return;
  }
  let sessions = 0;
  try {
    await using control = await context.control({ start: false });
    sessions = await requestStop(control);
    if (!json && sessions > 0)
      terminal.err(`ending ${sessions} ${sessions === 1 ? 'session' : 'sessions'} …`);
    await Promise.race([control.closed, delay(END_TIMEOUT, undefined, { ref: false })]);
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    // It is another version, or it hangs: send a signal. The lock shows its pid, and that it is alive.
    if (ownerOf(places.lock)?.born === owner.born) process.kill(owner.pid, 'SIGTERM');
  }
  const deadline = performance.now() + END_TIMEOUT;
  while (ownerOf(places.lock)?.born === owner.born) {
    if (performance.now() > deadline) {
      throw new WarderError('daemon-unreachable', `the daemon does not end; its pid is ${owner.pid}`, {
        hint: `run "kill -9 ${owner.pid}": its servers end with it`,
      });
    }
    await delay(50);
  }
  if (json) terminal.json({ stopped: owner.pid, sessions });
  else terminal.out('stopped');
}

async function requestStop(control: ControlClient): Promise<number> {
  const silent = delay(ANSWER_TIMEOUT, undefined, { ref: false }).then(() => {
    throw new WarderError('daemon-unreachable', 'the daemon does not answer');
  });
  return (await Promise.race([control.request('stop', {}), silent])).sessions;
}
