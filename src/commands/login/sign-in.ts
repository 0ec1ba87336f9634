// Signs a person in to a remote server: shows where it goes and who asks for what, opens the browser after a yes, and
// waits. The daemon does the rest; the token never comes here.
import { type ErrorCode, EXIT, WarderError } from '../../errors.ts';
import type { ControlClient, ShownAccount, ShownLogin } from '../../wire/control.ts';
import type { Context } from '../command.ts';
import { confirm, requireConfirmer } from '../terminal/confirmation.ts';

export interface SignInOptions {
  /** Instead of the profile's. */
  readonly flow: 'code' | 'device' | undefined;
  readonly scopes: readonly string[] | undefined;
  /** Whether a browser is opened here; the page is shown in any case. */
  readonly browser: boolean;
  /** Whether the person has agreed already. */
  readonly yes: boolean;
}

/** How a wait ended that the person has ended. */
const CANCELLED = 'the sign-in was cancelled';

/** Throws `refused` where the person does not want to, and what the daemon says of a sign-in that failed. */
export async function signIn(
  context: Context,
  control: ControlClient,
  profile: string,
  { flow, scopes, browser, yes }: SignInOptions,
): Promise<ShownAccount> {
  const { terminal, json } = context;
  const what = `signing in to the server of "${profile}"`;
  // Nobody is contacted for a question that cannot be asked.
  if (!yes) requireConfirmer(terminal.interactive && !json, what);
  let login = await control.request('login.start', {
    profile,
    ...(flow !== undefined && { flow }),
    ...(scopes !== undefined && { scopes: [...scopes] }),
  });
  // Finding out where to sign in may take longer than a request.
  if (login.phase === 'waiting' && !isShown(login)) login = await waitFor(context, control, login);
  if (login.phase === 'asking') {
    printQuestion(context, login);
    try {
      // What needs attention is seen by a person: a yes that was given beforehand is none to it.
      const isAgreed = yes && login.warnings.length === 0;
      if (!isAgreed && (json || !terminal.interactive)) throw unseenError(profile);
      if (!isAgreed)
        await confirm(terminal, { what, question: 'sign in there?', otherwise: 'nobody was signed in' });
    } catch (error) {
      await control.request('login.cancel', { login: login.id });
      throw error;
    }
    login = await control.request('login.agree', { login: login.id });
  }
  if (login.phase === 'waiting') {
    printPage(context, login);
    // A code is for another machine.
    if (browser && login.page !== null) await open(context, login.page.url);
    login = await waitFor(context, control, login);
    // Keys of a person who waits are meant for no question that follows.
    await terminal.forgetTyped();
  }
  if (login.account !== null && login.phase === 'done') return login.account;
  throw failure(login, profile);
}

function printQuestion({ terminal }: Context, { lines, warnings }: ShownLogin): void {
  const [first = '', ...rest] = lines;
  terminal.err(terminal.paint('bold', first));
  for (const line of rest) terminal.err(`  ${line}`);
  for (const warning of warnings) terminal.err(`${terminal.paint('yellow', 'warder: note:')} ${warning}`);
}

/** What the person opens; it is shown before anything opens it. */
function printPage({ terminal }: Context, { page, device }: ShownLogin): void {
  if (device !== null) {
    terminal.err(`open ${terminal.paint('bold', device.url)}`);
    terminal.err(`and type the code ${terminal.paint('bold', device.code)}`);
    if (device.complete !== null) terminal.err(`or open ${device.complete}, where it is typed already`);
  } else if (page !== null) terminal.err(`sign in at ${terminal.paint('bold', page.url)}`);
}

async function open({ terminal, browse }: Context, url: string): Promise<void> {
  if (await browse(url)) return;
  terminal.err(
    `${terminal.paint('yellow', 'warder: note:')} no browser could be opened here: open the page yourself`,
  );
}

/** Whether there is something that the person can do now. */
function isShown({ page, device }: ShownLogin): boolean {
  return page !== null || device !== null;
}

/** Waits until the sign-in has ended. Meanwhile the person may paste the URL of a browser on another machine, or end it. */
async function waitFor(context: Context, control: ControlClient, login: ShownLogin): Promise<ShownLogin> {
  const { terminal, json } = context;
  // A request waits on a connection of its own, so that another can be sent meanwhile.
  await using watcher = await context.control({ start: false });
  const over = new AbortController();
  const followed = follow(watcher, login).finally(() => over.abort());
  followed.catch(() => {});
  if (terminal.interactive && !json && login.page !== null) {
    const { redirect } = login.page;
    await pasting(context, control, login, redirect, over.signal);
    return await followed;
  }
  terminal.err(terminal.paint('dim', 'waiting for you to sign in; ^C ends this'));
  const interrupted = Promise.withResolvers<never>();
  const cancel = (): void => interrupted.reject(new WarderError('refused', CANCELLED));
  process.once('SIGINT', cancel);
  try {
    return await Promise.race([followed, interrupted.promise]);
  } catch (error) {
    await control.request('login.cancel', { login: login.id }).catch(() => {});
    throw error;
  } finally {
    process.off('SIGINT', cancel);
  }
}

async function follow(control: ControlClient, { id }: ShownLogin): Promise<ShownLogin> {
  for (;;) {
    const login = await control.request('login.state', { login: id, seen: 'waiting' });
    if (login.phase !== 'waiting') return login;
  }
}

/** Lets the person paste URLs until the sign-in is over. Throws `refused` where they end it. */
async function pasting(
  { terminal }: Context,
  control: ControlClient,
  { id }: ShownLogin,
  redirect: string,
  signal: AbortSignal,
): Promise<void> {
  const question = 'waiting for the browser. If it is on another machine, paste the URL at which it ended';
  const problem = (text: string): string | undefined =>
    text.trim().startsWith(redirect) ? undefined : `it begins with ${redirect}`;
  while (!signal.aborted) {
    const typed = await terminal.type(question, '', problem, signal);
    if (typed === 'withdrawn') return;
    if (typeof typed === 'string') {
      await control.request('login.cancel', { login: id }).catch(() => {});
      throw new WarderError('refused', CANCELLED);
    }
    try {
      await control.request('login.paste', { login: id, url: typed.value.trim() });
      return;
    } catch (error) {
      if (!(error instanceof WarderError)) throw error;
      terminal.err(error.message);
    }
  }
}

function unseenError(profile: string): WarderError {
  return new WarderError('refused', 'there is something about this sign-in that a person has to agree to', {
    hint: `run "warder login ${profile}" in a terminal, without --yes`,
  });
}

function failure({ error }: ShownLogin, profile: string): WarderError {
  if (error === null)
    return new WarderError('sign-in-failed', `signing in to "${profile}" has not ended well`);
  const code: ErrorCode = Object.hasOwn(EXIT, error.code) ? (error.code as ErrorCode) : 'sign-in-failed';
  return new WarderError(code, error.message, error.hint === undefined ? {} : { hint: error.hint });
}
