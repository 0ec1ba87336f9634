// warder audit: the log for people and programs. It reads the log's files, so it needs no daemon and starts none.
import type { CommandModule } from 'yargs';
import { CSV_HEAD, csvLine } from '../audit/export.ts';
import {
  findDetails,
  follow,
  type LogRecord,
  listCalls,
  listRecords,
  matcher,
  position,
  records,
} from '../audit/read.ts';
import { CALL_COLUMNS, callRow, detailRows, RECORD_COLUMNS, recordRow } from '../audit/view.ts';
import { WarderError } from '../errors.ts';
import { type FilterArguments, filterOptions, parseFilter, withReadErrors } from './audit/filter.ts';
import { verifyCommand } from './audit/verify.ts';
import type { Context } from './command.ts';

/** Characters per write of `export`. */
const CHUNK_LENGTH = 65536;

/** The longest name of an event that is written often. */
const EVENT_WIDTH = 16;

/** How often `tail` polls, in milliseconds. */
const POLL_INTERVAL = 150;

export function auditCommand(context: Context): CommandModule<object, object> {
  return {
    command: 'audit',
    builder: (yargs) =>
      yargs
        .command(listCommand(context))
        .command(tailCommand(context))
        .command(showCommand(context))
        .command(verifyCommand(context))
        .command(exportCommand(context))
        .demandCommand(1, 'choose what to do with the log: list, tail, show, verify or export')
        .example('warder audit tail', 'the records as they are written')
        .example(
          'warder audit list --decision deny --since 1d',
          'the calls that were refused during the last day',
        )
        .example('warder audit verify', 'check that nothing was changed'),
    handler() {},
  };
}

interface ListArguments extends FilterArguments {
  readonly n: number;
  readonly events: boolean;
}

function listCommand({ places, terminal, json }: Context): CommandModule<object, ListArguments> {
  return {
    command: 'list',
    describe: 'list calls, one a line, newest last',
    builder: (yargs) =>
      filterOptions(yargs)
        .option('n', { type: 'number', default: 20, describe: 'how many of the newest; 0: all' })
        .option('events', { type: 'boolean', default: false, describe: 'list all records, not only calls' })
        .example('warder audit list --tool "delete_*" -n 0', 'every call of these tools'),
    handler: (args) =>
      withReadErrors(async () => {
        const filter = parseFilter(args);
        const limit = parseLimit(args.n);
        if (args.events || args.event !== undefined) {
          const list = await listRecords(places.audit, filter, limit);
          if (json) terminal.json(list.map(({ entry }) => entry));
          else
            table(
              list.map(({ entry }) => recordRow(entry)),
              RECORD_COLUMNS,
            );
          return;
        }
        const list = await listCalls(places.audit, filter, limit);
        if (json) terminal.json(list);
        else table(list.map(callRow), CALL_COLUMNS);
      }),
  };

  function table(rows: string[][], head: string[]): void {
    if (rows.length === 0) terminal.out('no record of the audit log matches');
    else terminal.table(rows, head);
  }
}

interface TailArguments extends FilterArguments {
  readonly n: number;
}

function tailCommand({ places, terminal, json }: Context): CommandModule<object, TailArguments> {
  /** The longest name of a profile so far: of the records to begin with, the longest of all. */
  let widest = 0;
  return {
    command: 'tail',
    describe: 'print records as they are written',
    builder: (yargs) =>
      filterOptions(yargs)
        .option('n', { type: 'number', default: 10, describe: 'start with this many of the newest' })
        .example('warder audit tail --json | jq -r .tool', 'one JSON record a line'),
    handler: (args) =>
      withReadErrors(async () => {
        const filter = parseFilter(args);
        const matches = matcher(filter);
        const stop = new AbortController();
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
        const from = await position(places.audit);
        let last = 0;
        const newest = args.n === 0 ? [] : await listRecords(places.audit, filter, parseLimit(args.n));
        widest = Math.max(0, ...newest.map(({ entry }) => recordRow(entry)[3]?.length ?? 0));
        for (const record of newest) {
          print(record);
          last = record.entry.seq;
        }
        for await (const record of follow(places.audit, from, stop.signal, POLL_INTERVAL)) {
          if (record.entry.seq > last && matches(record.entry)) print(record);
        }
      }),
  };

  function print({ line, entry }: LogRecord): void {
    if (json) {
      terminal.out(line);
      return;
    }
    const [, time = '', event = '', profile = '', detail = ''] = recordRow(entry);
    widest = Math.max(widest, profile.length);
    terminal.out(`${time}  ${event.padEnd(EVENT_WIDTH)}  ${profile.padEnd(widest)}  ${detail}`);
  }
}

interface ShowArguments {
  readonly which: string;
}

function showCommand({ places, terminal, json }: Context): CommandModule<object, ShowArguments> {
  return {
    command: 'show <which>',
    describe:
      'print everything about one call: who made it, what allowed it, which credentials it used, how it ended',
    builder: (yargs) =>
      yargs
        .positional('which', {
          type: 'string',
          demandOption: true,
          describe: "a record's number, or the beginning of a call's id",
        })
        .example('warder audit show 1234', 'record 1234, and the records that belong to it'),
    handler: ({ which }) =>
      withReadErrors(async () => {
        const details = await findDetails(places.audit, which);
        if ('record' in details) {
          if (json) terminal.json(details);
          else terminal.table(detailRows(details));
          return;
        }
        const { calls } = details;
        throw calls.length === 0
          ? new WarderError('usage', `there is no record or call "${which}"`, {
              hint: '"warder audit list" prints their numbers',
            })
          : new WarderError('usage', `the ids of ${calls.length} calls begin with "${which}"`, {
              hint: `give more of the id: ${calls.slice(0, 3).join(', ')}${calls.length > 3 ? ', …' : ''}`,
            });
      }),
  };
}

interface ExportArguments extends FilterArguments {
  readonly format: string;
}

function exportCommand({ places, terminal }: Context): CommandModule<object, ExportArguments> {
  return {
    command: 'export',
    describe: 'print records for another program',
    builder: (yargs) =>
      filterOptions(yargs)
        .option('format', {
          type: 'string',
          choices: ['jsonl', 'csv'],
          default: 'jsonl',
          describe: 'jsonl: the original lines, which can be verified; csv: for a spreadsheet',
        })
        .example('warder audit export --format csv --since 30d > calls.csv', 'a month, for a spreadsheet'),
    handler: (args) =>
      withReadErrors(async () => {
        const matches = matcher(parseFilter(args));
        const csv = args.format === 'csv';
        let text = csv ? CSV_HEAD : '';
        for await (const { line, entry } of records(places.audit)) {
          if (!matches(entry)) continue;
          text += csv ? csvLine(entry) : `${line}\n`;
          if (text.length < CHUNK_LENGTH) continue;
          await write(text);
          text = '';
        }
        await write(text);
      }),
  };

  /** A file or a program gets the original bytes; a terminal gets nothing that could move its cursor. */
  async function write(text: string): Promise<void> {
    if (text === '') return;
    if (process.stdout.isTTY) terminal.text(text.trimEnd());
    else if (!process.stdout.write(text))
      await new Promise((resolve) => process.stdout.once('drain', resolve));
  }
}

function parseLimit(n: number): number {
  if (Number.isSafeInteger(n) && n >= 0) return n === 0 ? Number.POSITIVE_INFINITY : n;
  throw new WarderError('usage', '-n takes a whole number', { hint: '0 means all' });
}
