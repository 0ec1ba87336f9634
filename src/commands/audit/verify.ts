// warder audit verify.
import { readFileSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { isKey, readKeys } from '../../audit/checkpoint.ts';
import type { Problem } from '../../audit/problem.ts';
import { type Verification, verify } from '../../audit/verify.ts';
import { EXIT, WarderError } from '../../errors.ts';
import { loadSettings } from '../../profile/settings.ts';
import type { Context } from '../command.ts';
import { pluralize } from '../terminal/plural.ts';
import { withReadErrors } from './filter.ts';
import { findSignedPoint, type KnownPoint } from './signed-point.ts';

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
        // Asked before the log is read: by then the log has it.
        const known = path === undefined ? await findSignedPoint(context) : {};
        using progress = terminal.progress('verifying the audit log', { isGeneral: true });
        const verification = await verify({
          path: path ?? places.audit,
          ...(path === undefined && { state: places.state }),
          ...(keys && { keys }),
          ...(known.point && { signed: known.point }),
          checkpoint: loadSettings(places).audit.checkpoint,
          progress: (read, total) =>
            progress.step(`verifying the audit log: ${Math.floor((100 * read) / Math.max(total, 1))} %`),
        });
        const code = codeOf(verification);
        if (json) {
          terminal.json({
            ...verification,
            stored: known.point ?? null,
            stored_unknown: known.unknown ?? null,
          });
          if (code !== undefined) context.exit(EXIT[code]);
          return;
        }
        for (const problem of verification.problems.slice(1)) terminal.err(problemLine(problem));
        const [first] = verification.problems;
        if (first !== undefined && code === 'audit-unsigned') {
          throw new WarderError(code, `the end of the audit log is not signed: ${problemLine(first)}`, {
            hint: 'everything else verifies; "warder status" says why nothing is signed',
          });
        }
        if (first !== undefined) {
          throw new WarderError('audit-broken', `the audit log does not verify: ${problemLine(first)}`, {
            hint: 'keep a copy of the log, and find out who changed it',
          });
        }
        for (const line of successLines(verification, path !== undefined, known)) terminal.out(line);
      }),
  };
}

function problemLine({ kind, file, line, seq, detail }: Problem): string {
  const where = [...(file === null ? [] : [`${file}:${line}`]), ...(seq === null ? [] : [`record ${seq}`])];
  return [...(where.length === 0 ? [] : [where.join(', ')]), kind, detail].join(': ');
}

function successLines(verification: Verification, copy: boolean, known: KnownPoint): string[] {
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
  if (known.point !== undefined)
    lines.push(`record ${known.point.seq}, the last signed one by the credential store, is in the log`);
  else if (known.unknown !== undefined)
    lines.push(`the credential store could not be asked for the last signed record: ${known.unknown}`);
  if (copy) lines.push('a copy has no head: a cut end would not show');
  if (clock_back > 0) lines.push(`the clock went back ${pluralize(clock_back, 'time')}`);
  return lines;
}

/** Why the command fails, if it does. A log whose end is only unsigned for too long may still be as it was written. */
function codeOf({ ok, problems }: Verification): 'audit-broken' | 'audit-unsigned' | undefined {
  if (ok) return undefined;
  return problems.every(({ kind }) => kind === 'unsigned-tail') ? 'audit-unsigned' : 'audit-broken';
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
