// The values that hosts fill in (`${env:X}`, `${input:x}`), given by the person: typed, of a variable of this shell where the
// person says so, or on stdin. Each is asked for once, however many servers wait for it. A server whose value is not given
// stays as it is.
import { WarderError } from '../../errors.ts';
import { fillIn, keyOf } from '../../host/fill-in.ts';
import { type Left, left, type Planned, type WantedValue } from '../../host/planned.ts';
import type { Context } from '../command.ts';
import type { Candidate } from './candidate.ts';
import { serverName } from './show.ts';

export interface ValueOptions {
  /** They come on stdin, as NAME=VALUE, one a line. */
  readonly fromStdin: boolean;
  /** The person can be asked. */
  readonly isAsked: boolean;
}

/** The candidates with all values in them; those that miss one are left. */
export async function giveValues(
  context: Context,
  candidates: readonly Candidate<Planned>[],
  { fromStdin, isAsked }: ValueOptions,
): Promise<Candidate[]> {
  const open = new Map<string, { readonly wanted: WantedValue; readonly by: Candidate<Planned>[] }>();
  for (const candidate of candidates)
    for (const wanted of candidate.plan.wanted) {
      const key = keyOf(wanted.reference, candidate.found.path);
      const one = open.get(key) ?? { wanted, by: [] };
      // One of them is a secret: so are all.
      open.set(key, { wanted: one.wanted.isSecret ? one.wanted : wanted, by: [...one.by, candidate] });
    }
  const stdin = fromStdin ? parseValues(await context.terminal.readStdin()) : new Map<string, string>();
  const values = new Map<string, string>();
  for (const [key, { wanted, by }] of open) {
    const value =
      stdin.get(wanted.reference.name) ?? (isAsked && !fromStdin ? await ask(context, wanted, by) : '');
    if (value !== '') values.set(key, value);
  }
  return candidates.map((candidate) => {
    const { plan, found } = candidate;
    const missing = plan.wanted.find(({ reference }) => !values.has(keyOf(reference, found.path)));
    // In a header only the one that signs in can be a secret: `fillIn` leaves the others.
    const wanted = plan.wanted.map((one) =>
      one.into.kind === 'header'
        ? one
        : {
            ...one,
            isSecret: open.get(keyOf(one.reference, found.path))?.wanted.isSecret ?? one.isSecret,
          },
    );
    const filled: Planned | Left =
      missing === undefined
        ? fillIn({ ...plan, wanted }, (reference) => values.get(keyOf(reference, found.path)) ?? '')
        : left(
            `the host fills in ${missing.reference.name}, and no value was given: import it in a terminal without --yes, or with --values`,
          );
    return { ...candidate, plan: filled };
  });
}

/** Throws `usage`, and does not repeat what may be a secret. */
function parseValues(text: string): Map<string, string> {
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  return new Map(
    lines.map((line, index) => {
      const equals = line.indexOf('=');
      if (equals < 1)
        throw new WarderError('usage', `line ${index + 1} of stdin is not NAME=VALUE`, {
          hint: 'one value a line, with the name of the variable or the input that "warder import" shows',
        });
      return [line.slice(0, equals), line.slice(equals + 1)] as const;
    }),
  );
}

/** The value that the person gives; empty for none. A variable of this shell is read once they have agreed to that. */
async function ask(
  { terminal }: Context,
  { reference, input, isSecret }: WantedValue,
  by: readonly Candidate<Planned>[],
): Promise<string> {
  const [first] = by;
  const names = [...new Set(by.map(serverName))];
  const more = names.length > 3 ? ` and ${names.length - 3} more` : '';
  terminal.err(
    `${first?.found.host.title ?? 'the host'} fills in ${reference.text} for ${names.slice(0, 3).join(', ')}${more}`,
  );
  if (input !== undefined && input.description !== '') terminal.err(`  it asks: ${input.description}`);
  if (reference.kind === 'environment' && Object.hasOwn(process.env, reference.name)) {
    const isUsed = await terminal.confirm(
      `  ${reference.name} is set in this shell: read it from there${isSecret ? ', and store its value' : ''}?`,
    );
    if (isUsed) return process.env[reference.name] ?? '';
  }
  const otherwise = 'nothing leaves the server as it is';
  if (isSecret) return await terminal.askSecret(`  value of ${reference.name} (not shown; ${otherwise}): `);
  const initial = input?.initial ?? reference.fallback;
  const options = input?.options;
  for (;;) {
    const hint = [
      ...(options === undefined ? [] : [`one of ${options.join(', ')}`]),
      ...(initial === undefined ? [] : [`its default is ${initial}`]),
    ];
    const typed = await terminal.ask(`  value of ${reference.name} (${[...hint, otherwise].join('; ')}): `);
    if (typed === '' || options === undefined || options.includes(typed)) return typed;
    terminal.err(`  "${typed}" is none of them`);
  }
}
