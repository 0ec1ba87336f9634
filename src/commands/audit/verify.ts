// warder audit verify.
import { readFileSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { isKey, readKeys } from '../../audit/checkpoint.ts';
import type { Problem } from '../../audit/problem.ts';
import { type Verified, verify } from '../../audit/verify.ts';
import { WarderError } from '../../errors.ts';
import type { Context } from '../command.ts';
import { reading } from './filter.ts';

interface VerifyArguments {
  readonly path: string | undefined;
  readonly key: string[] | undefined;
}

export function verifyCommand(context: Context): CommandModule<object, VerifyArguments> {
  const { places, terminal, json } = context;
  return {
    command: 'verify [path]',
    describe: 'find edits, deletions, insertions, swaps and a cut end',
    builder: (yargs) =>
      yargs
        .positional('path', {
          type: 'string',
          describe: "a copy of the log, a folder or a file; Warder's own if not given",
        })
        .option('key', {
          type: 'string',
          array: true,
          requiresArg: true,
          describe: 'the public key that signs: base64, or a file of such lines, kept where the log is not',
        })
        .example('warder audit verify --key ~/keys/audit.pub', 'a proof that does not trust this machine'),
    handler: ({ path, key }) =>
      reading(async () => {
        const keys = key?.flatMap(keysOf);
        const own = path === undefined ? { state: places.state } : {};
        const bar = progress(!json);
        const found = await verify({
          path: path ?? places.audit,
          ...own,
          ...(keys && { keys }),
          progress: bar.at,
        });
        bar.end();
        if (json) {
          terminal.json(found);
          if (!found.ok) context.exit(1);
          return;
        }
        for (const problem of found.problems.slice(1)) terminal.err(line(problem));
        const [first] = found.problems;
        if (first !== undefined) {
          throw new WarderError('audit-broken', `the audit log does not verify: ${line(first)}`, {
            hint: 'keep a copy of the log as it is, and find out who changed it',
          });
        }
        for (const line of told(found, path !== undefined)) terminal.out(line);
      }),
  };
}

function line({ kind, file, line, seq, detail }: Problem): string {
  const where = [...(file === null ? [] : [`${file}:${line}`]), ...(seq === null ? [] : [`record ${seq}`])];
  return [...(where.length === 0 ? [] : [where.join(', ')]), kind, detail].join(': ');
}

function told(found: Verified, copy: boolean): string[] {
  const { records, first, last, checkpoints, signed_through, keys, clock_back } = found;
  if (records === 0) return ['the audit log has no records'];
  const lines = [`${records === 1 ? '1 record verifies' : `${records} records verify`}, ${first} to ${last}`];
  if (checkpoints === 0)
    lines.push('no record is signed: who can change all files of the log could rewrite it');
  else if (signed_through === null)
    lines.push(`${count(checkpoints, 'signature')}, but no key to check them with: give --key`);
  else {
    lines.push(`signed through record ${signed_through}, by ${count(checkpoints, 'signature')}`);
    if (keys === 'kept')
      lines.push('the key is the one kept beside the log: --key with a copy from elsewhere proves more');
  }
  if (copy) lines.push('a copy has no head kept apart: a cut end would not show');
  if (clock_back > 0) lines.push(`the clock went back ${count(clock_back, 'time')}`);
  return lines;
}

/** `1 record`, `2 records`. */
function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function keysOf(text: string): string[] {
  if (isKey(text)) return [text];
  try {
    readFileSync(text);
  } catch (cause) {
    throw new WarderError('usage', `--key "${text}" is neither a key nor a file that can be read`, { cause });
  }
  const keys = readKeys(text);
  if (keys.length === 0) throw new WarderError('usage', `there is no public key in "${text}"`);
  return keys;
}

/** How far `verify` is, on a terminal, once it has taken a second. */
function progress(wanted: boolean) {
  const begun = performance.now();
  let drawn = -1;
  return {
    at(read: number, total: number): void {
      const percent = Math.floor((100 * read) / Math.max(total, 1));
      if (!wanted || !process.stderr.isTTY || performance.now() - begun < 1000 || percent === drawn) return;
      drawn = percent;
      process.stderr.write(`\rverifying: ${percent} %`);
    },
    end(): void {
      if (drawn >= 0) process.stderr.write('\r\u001b[K');
    },
  };
}
