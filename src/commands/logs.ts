// warder logs: what a profile's servers have written to standard error, and what was refused to them, in the order of time.
import type { CommandModule } from 'yargs';
import { follow, type LogRecord, position, recentRecords } from '../audit/read.ts';
import { WarderError } from '../errors.ts';
import { clock } from '../os/clock.ts';
import { loadProfile } from '../profile/load.ts';
import type { ServerLine } from '../server/server-log.ts';
import { followServerLog, readServerLog } from '../server/server-log-reading.ts';
import type { Context } from './command.ts';
import { recordedRefusals } from './test/refusals.ts';

interface LogsArguments {
  readonly name: string;
  readonly n: number;
  readonly follow: boolean;
}

/** A line, or something that was refused to a server. */
type Shown = ServerLine | (Omit<ServerLine, 'from'> & { readonly from: 'refused' });

/** How far back refusals are looked for: a week, in milliseconds, and so many records. */
const LATELY = 7 * 24 * 3600 * 1000;
const MAX_RECORDS = 20_000;
/** How often `--follow` polls, in milliseconds. */
const POLL_INTERVAL = 150;
/** How many characters of a session's id are shown. */
const SHOWN_ID = 8;
/** How long the longest word for where a line is from is. */
const FROM_WIDTH = 'refused'.length;

export function logsCommand(context: Context): CommandModule<object, LogsArguments> {
  return {
    command: 'logs <name>',
    builder: (yargs) =>
      yargs
        .positional('name', { type: 'string', demandOption: true, describe: 'a profile' })
        .option('n', { type: 'number', default: 50, describe: 'how many of the newest lines; 0: all' })
        .option('follow', {
          alias: 'f',
          type: 'boolean',
          default: false,
          describe: 'go on with what comes; with --json one value a line',
        })
        .example('warder logs github -f', 'while you try the server in its host'),
    handler: (args) => showLogs(context, args),
  };
}

async function showLogs({ places, terminal, json }: Context, args: LogsArguments): Promise<void> {
  const { name } = args;
  if (!Number.isInteger(args.n) || args.n < 0) {
    throw new WarderError('usage', '"-n" is a number of lines', { hint: 'use 0 for all' });
  }
  // Throws where there is no such profile; a broken one has a log too.
  try {
    loadProfile(places, name);
  } catch (error) {
    if (!(error instanceof WarderError) || error.code === 'profile-missing') throw error;
  }
  const from = await position(places.audit);
  const { lines, place } = readServerLog(places.state, name);
  const refused: Shown[] = [];
  for await (const record of recentRecords(places.audit, clock.now() - LATELY, MAX_RECORDS))
    refused.push(...refusals(record));
  const all = [...refused.reverse(), ...lines].sort((a, b) =>
    a.time < b.time ? -1 : a.time > b.time ? 1 : 0,
  );
  const newest = args.n === 0 ? all : all.slice(-args.n);
  if (!args.follow) {
    if (json) terminal.json(newest);
    else if (newest.length === 0) terminal.out(`nothing is kept of the servers of "${name}"`);
    else newest.forEach(print);
    return;
  }
  newest.forEach(print);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  await Promise.all([
    (async () => {
      for await (const line of followServerLog(places.state, name, place, stop.signal, POLL_INTERVAL))
        print(line);
    })(),
    (async () => {
      for await (const record of follow(places.audit, from, stop.signal, POLL_INTERVAL))
        refusals(record).forEach(print);
    })(),
  ]);

  function refusals({ entry }: LogRecord): Shown[] {
    if (entry.profile !== name) return [];
    return recordedRefusals(name, [entry]).map(({ what, reason, count, allow }) => ({
      time: entry.time,
      session: String(entry.session ?? ''),
      from: 'refused',
      text: `${what}: ${reason}${count > 1 ? `, ${count} times` : ''}${allow === undefined ? '' : `; to allow it: ${allow}`}`,
    }));
  }

  function print(shown: Shown): void {
    if (json) {
      terminal.json(shown);
      return;
    }
    const { time, session, from, text } = shown;
    const word = from.padEnd(FROM_WIDTH);
    const painted = from === 'refused' ? terminal.paint('red', word) : terminal.paint('dim', word);
    terminal.out(`${time}  ${session.slice(0, SHOWN_ID)}  ${painted}  ${text}`);
  }
}
