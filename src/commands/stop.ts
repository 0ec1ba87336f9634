import { setTimeout as delay } from 'node:timers/promises';
import type { CommandModule } from 'yargs';
import { WarderError } from '../errors.ts';
import { ownerOf } from '../os/lock.ts';
import { askRetired, retiredDaemons, retiredLock } from '../os/retired.ts';
import type { ControlClient } from '../wire/control.ts';
import type { Context } from './command.ts';
import { pluralize } from './terminal/plural.ts';

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
  using progress = terminal.progress('stopping the daemon', { isGeneral: true });
  let sessions = await stopRetired(context);
  const owner = ownerOf(places.lock);
  if (owner === undefined) {
    if (json) terminal.json({ stopped: null, sessions });
    else terminal.out(sessions > 0 ? 'stopped' : 'no daemon runs');
    return;
  }
  try {
    await using control = await context.control({ start: false });
    const open = await requestStop(control);
    sessions += open;
    if (open > 0) progress.step(`ending ${pluralize(open, 'session')}`);
    await Promise.race([control.closed, delay(END_TIMEOUT, undefined, { ref: false })]);
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    // It is another version, or it hangs: send a signal. The lock shows its pid, and that it is alive.
    if (ownerOf(places.lock)?.born === owner.born) process.kill(owner.pid, 'SIGTERM');
  }
  const deadline = performance.now() + END_TIMEOUT;
  while (ownerOf(places.lock)?.born === owner.born) {
    if (performance.now() > deadline) {
      throw stillRunning(owner.pid);
    }
    await delay(50);
  }
  if (json) terminal.json({ stopped: owner.pid, sessions });
  else terminal.out('stopped');
}

/** Stops the daemons that have handed over, before the one that signs their records. Returns how many sessions they had. */
async function stopRetired({ places, terminal, json }: Context): Promise<number> {
  let sessions = 0;
  for (const daemon of retiredDaemons(places)) {
    const lock = retiredLock(places, daemon.pid);
    const answer = await askRetired(daemon, { ask: 'stop' }).catch(() => undefined);
    sessions += answer?.sessions ?? 0;
    if (answer === undefined && ownerOf(lock)?.pid === daemon.pid) process.kill(daemon.pid, 'SIGTERM');
    const deadline = performance.now() + END_TIMEOUT;
    while (ownerOf(lock)?.pid === daemon.pid) {
      if (performance.now() > deadline) throw stillRunning(daemon.pid);
      await delay(50);
    }
    if (!json) terminal.err(`the older daemon ${daemon.pid} has ended`);
  }
  return sessions;
}

function stillRunning(pid: number): WarderError {
  return new WarderError('daemon-unreachable', `the daemon does not end; its pid is ${pid}`, {
    hint: `run "kill -9 ${pid}": its servers end with it`,
  });
}

async function requestStop(control: ControlClient): Promise<number> {
  const silent = delay(ANSWER_TIMEOUT, undefined, { ref: false }).then(() => {
    throw new WarderError('daemon-unreachable', 'the daemon does not answer');
  });
  return (await Promise.race([control.request('stop', {}), silent])).sessions;
}
