// Accepting what a server lists: shown first, then asked for, then kept.
import { WarderError } from '../../errors.ts';
import type { ControlClient, ShownTrust } from '../../wire/control.ts';
import type { Context } from '../command.ts';
import { confirm, requireConfirmer } from '../terminal/confirmation.ts';
import { type Proof, withProof } from '../terminal/presence.ts';
import { printDifferences, printFirst } from './print.ts';
import { trial } from './trial.ts';

export interface AcceptOptions {
  /** These tools alone; empty: all. */
  readonly tools: readonly string[];
  readonly yes: boolean;
  /** Whether what was seen before does not count: the server is another. */
  readonly isReplaced?: boolean;
}

/** Throws `refused` where the user does not want to. */
export async function acceptTrust(
  context: Context,
  control: ControlClient,
  name: string,
  { tools, yes, isReplaced = false }: AcceptOptions,
): Promise<void> {
  const { terminal, json } = context;
  const shown = await current(context, control, name, { yes, isReplaced });
  const { state, seen, record, lasts } = shown;
  if (seen === null) throw new WarderError('refused', `the server of "${name}" has listed nothing`);
  if (state === 'none' && tools.length > 0) {
    throw new WarderError('usage', `nothing of "${name}" was accepted yet: single tools cannot be`, {
      hint: 'leave out "--tool"',
    });
  }
  if (!json) {
    if (state === 'none') {
      terminal.out(`${terminal.paint('bold', name)}: nothing of its server was accepted yet; it lists this`);
      printFirst(terminal, shown);
    } else if (!printDifferences(terminal, shown, tools)) {
      terminal.out(`${name}: all is as it was accepted`);
      return;
    }
  }
  if (record !== null && !hasDifferences(shown)) {
    terminal.json({ profile: name, record: record.digest });
    return;
  }
  await ask(context, `accept this for "${name}"?`, yes);
  const only = tools.length === 0 ? {} : { only: [...tools] };
  const { pending } = seen;
  const send = (proof: Proof) =>
    control.request('trust.accept', { profile: name, expect: pending, ...only, ...proof });
  const done = state === 'accepted' && lasts ? await withProof(context, control, send) : await send({});
  if (json) terminal.json(done);
  else {
    terminal.out(`accepted: ${done.record}`);
    if (!lasts) terminal.out('there is no credential store, so that this holds until the daemon ends');
  }
}

/**
 * The package of a profile is another one now, as the user has said: what its server lists is shown, and accepted if the
 * user wants to. Where nobody can be asked it is held back, and said so. Returns whether it was accepted, or need not be.
 */
export async function acceptReplaced(context: Context, name: string, isAsked: boolean): Promise<boolean> {
  const { terminal } = context;
  await using control = await context.control();
  const { state } = await control.request('trust.show', { profile: name });
  if (state === 'none') return true;
  if (isAsked) {
    try {
      await acceptTrust(context, control, name, { tools: [], yes: false, isReplaced: true });
      return true;
    } catch (error) {
      if (!(error instanceof WarderError)) throw error;
      terminal.err(error.message);
    }
  }
  terminal.err(`the server of "${name}" is held back until "warder trust accept ${name}"`);
  return false;
}

/** Goes back to the record before. */
export async function undoTrust(
  context: Context,
  control: ControlClient,
  name: string,
  yes: boolean,
): Promise<void> {
  const { terminal, json } = context;
  const { undoable, lasts, record } = await control.request('trust.show', { profile: name });
  if (!undoable) {
    throw new WarderError('usage', `there is no earlier record of "${name}"`, {
      hint: `"warder trust show ${name}" shows the one that there is`,
    });
  }
  await ask(context, `go back to the record before ${record?.digest ?? 'none'}?`, yes);
  const send = (proof: Proof) => control.request('trust.undo', { profile: name, ...proof });
  const done = lasts ? await withProof(context, control, send) : await send({});
  if (json) terminal.json(done);
  else terminal.out(`accepted again: ${done.record}`);
}

/** What is known of the server, with a trial where nothing else shows what it lists now. */
async function current(
  context: Context,
  control: ControlClient,
  name: string,
  { yes, isReplaced }: { readonly yes: boolean; readonly isReplaced: boolean },
): Promise<ShownTrust> {
  let shown = await control.request('trust.show', { profile: name });
  if (shown.state === 'locked') throw lockedError(shown);
  if (shown.state === 'unverified') {
    context.terminal.err(shown.detail ?? '');
    await ask(context, 'forget this record, and begin anew?', yes);
    await withProof(context, control, (proof) =>
      control.request('trust.forget', { profile: name, ...proof }),
    );
    shown = await control.request('trust.show', { profile: name });
  }
  return isReplaced || shown.seen === null || !hasDifferences(shown)
    ? await trial(context, control, name)
    : shown;
}

export function hasDifferences({ state, seen }: ShownTrust): boolean {
  if (seen === null) return false;
  return state === 'none' || seen.isOtherServer || seen.wider.length > 0 || seen.differences.length > 0;
}

export function lockedError({ detail }: ShownTrust): WarderError {
  return new WarderError('locked', detail ?? 'the credential store is not open', {
    hint: 'run "warder credential unlock"',
  });
}

async function ask({ terminal, json }: Context, question: string, yes: boolean): Promise<void> {
  if (yes) return;
  const what = 'this';
  requireConfirmer(terminal.interactive && !json, what);
  await confirm(terminal, { what, question, otherwise: 'nothing was accepted' });
}
