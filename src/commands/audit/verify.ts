// warder audit verify.
import { readFileSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { isKey, readKeys } from '../../audit/checkpoint.ts';
import type { Problem } from '../../audit/problem.ts';
import { type Verification, verify } from '../../audit/verify.ts';
import { WarderError } from '../../errors.ts';
import type { Context } from '../command.ts';
import { pluralize } from '../terminal/plural.ts';
import { withReadErrors } from './filter.ts';

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
          describe: "a copy of the log, a folder or a file; default: Warder's own log",
        })
        .option('key', {
          type: 'string',
          array: true,
          requiresArg: true,
          describe: 'the public key that signs: base64, or a file of such lines, stored apart from the log',
        })
        .example('warder audit verify --key ~/keys/audit.pub', 'a proof that does not trust this machine'),
    handler: ({ path, key }) =>
      withReadErrors(async () => {
        const keys = key?.flatMap(parseKeys);
        const own = path === undefined ? { state: places.state } : {};
        const bar = progressBar(!json);
        const verification = await verify({
          path: path ?? places.audit,
          ...own,
          ...(keys && { keys }),
          progress: bar.at,
        });
        bar.end();
        if (json) {
          terminal.json(verification);
          if (!verification.ok) context.exit(1);
          return;
        }
        for (const problem of verification.problems.slice(1)) terminal.err(problemLine(problem));
        const [first] = verification.problems;
        if (first !== undefined) {
          throw new WarderError('audit-broken', `the audit log does not verify: ${problemLine(first)}`, {
            hint: 'keep a copy of the log, and find out who changed it',
          });
        }
        for (const problemLine of successLines(verification, path !== undefined)) terminal.out(problemLine);
      }),
  };
}

function problemLine({ kind, file, line, seq, detail }: Problem): string {
  const where = [...(file === null ? [] : [`${file}:${line}`]), ...(seq === null ? [] : [`record ${seq}`])];
  return [...(where.length === 0 ? [] : [where.join(', ')]), kind, detail].join(': ');
}

function successLines(verification: Verification, copy: boolean): string[] {
  const { records, first, last, checkpoints, signed_through, keys, clock_back } = verification;
  if (records === 0) return ['the audit log has no records'];
  const lines = [`${records === 1 ? '1 record verifies' : `${records} records verify`}, ${first} to ${last}`];
  if (checkpoints === 0)
    lines.push('no record is signed: whoever can change all files of the log could rewrite it');
  else if (signed_through === null)
    lines.push(`${pluralize(checkpoints, 'signature')}, but no key to check them with: give --key`);
  else {
    lines.push(`signed through record ${signed_through}, by ${pluralize(checkpoints, 'signature')}`);
    if (keys === 'kept')
      lines.push('the key is the one stored beside the log: --key with a copy from elsewhere proves more');
  }
  if (copy) lines.push('a copy has no head: a cut end would not show');
  if (clock_back > 0) lines.push(`the clock went back ${pluralize(clock_back, 'time')}`);
  return lines;
}

function parseKeys(text: string): string[] {
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

/** Shows the progress of `verify` on a terminal, once it has taken a second. */
function progressBar(enabled: boolean) {
  const start = performance.now();
  let drawn = -1;
  return {
    at(read: number, total: number): void {
      const percent = Math.floor((100 * read) / Math.max(total, 1));
      if (!enabled || !process.stderr.isTTY || performance.now() - start < 1000 || percent === drawn) return;
      drawn = percent;
      process.stderr.write(`\rverifying: ${percent} %`);
    },
    end(): void {
      if (drawn >= 0) process.stderr.write('\r\u001b[K');
    },
  };
}
