// Makes a profile of a host's server: writes it as `warder add` does, stores its secrets, and starts it once. If that
// fails, whoever calls takes it back.
import { realpathSync } from 'node:fs';
import { escapeUnprintable } from '../../audit/printable.ts';
import { connectionHosts } from '../../host/connection.ts';
import type { Planned, PlannedLocal } from '../../host/planned.ts';
import { whyUnsealed } from '../../host/unsealed.ts';
import { clock } from '../../os/clock.ts';
import { homeFolder } from '../../os/home.ts';
import { expandHome } from '../../profile/format.ts';
import { loadProfile } from '../../profile/load.ts';
import type { AddArguments } from '../add/options.ts';
import { addLocal } from '../add.ts';
import type { Context } from '../command.ts';
import { trialEntry } from '../profile/host-entry.ts';
import { namedPaths } from '../profile/named-paths.ts';
import { refusalLine } from '../test/refusals.ts';
import { TRIAL_TIMEOUT, tryServer } from '../test/trial-client.ts';
import { trialRefusals } from '../test/trial-refusals.ts';
import { failedTrial } from './failed-trial.ts';
import { throwIfInterrupted, unlessInterrupted } from './interruption.ts';

import type { Making, Versions } from './making.ts';

/** What is said while a profile is made: of what, and what is done. */
export type Progress = (step: string) => void;

/**
 * Makes the profile of a server on this machine, or tries the one that is there. Returns the versions of its credentials. `from`: see `addLocal`. `signal`: the person ends it. Throws what `add` and the store throw, and
 * `refused` if the server does not start.
 */
export async function createProfile(
  context: Context,
  making: Making,
  plan: PlannedLocal,
  from: string | null,
  progress: Progress,
  signal: AbortSignal,
): Promise<Versions> {
  const { name, isThere } = making;
  const quiet = quietly(context);
  const [, word] = plan.words.filter((one) => !one.startsWith('-'));
  if (plan.start !== 'command' && !isThere) progress(`installing ${word ?? 'its package'}`);
  const notes = isThere
    ? []
    : await unlessInterrupted(
        signal,
        addLocal(quiet, argumentsOf(name, plan, from), from, (text) => making.willWrite(text)),
      );
  throwIfInterrupted(signal);
  const versions = await storeSecrets(context, name, plan);
  progress('starting it in its sandbox');
  const { profile } = loadProfile(context.places, name);
  const since = clock.now();
  const trial = await tryServer(trialEntry(context, name), TRIAL_TIMEOUT, undefined, signal);
  throwIfInterrupted(signal);
  const refused = await trialRefusals(context, profile, trial, since);
  if (trial.error !== undefined)
    throw failedTrial(
      `it does not start in its sandbox: ${trial.error}`,
      refused,
      trial.stderr,
      'add it by hand with "warder add", where its options can be given',
    );
  if (context.json) return versions;
  const { terminal } = context;
  for (const note of notes) terminal.out(`  ${note}`);
  // It starts all the same. Of files its own messages would speak, and they are not shown.
  for (const refusal of refused.filter(({ kind }) => kind === 'host' || kind === 'credential')) {
    terminal.out(`  ${terminal.paint('yellow', 'refused')} ${escapeUnprintable(refusalLine(refusal))}`);
    if (refusal.allow !== undefined) terminal.out(`    to allow it: ${escapeUnprintable(refusal.allow)}`);
  }
  return versions;
}

/** A context in which `add` says nothing: what it prints is for somebody who adds one server. */
export function quietly(context: Context): Context {
  return {
    ...context,
    json: true,
    terminal: { ...context.terminal, json: () => {}, err: () => {}, out: () => {}, text: () => {} },
  };
}

/** Returns the versions that they have now. */
export async function storeSecrets(
  context: Context,
  name: string,
  { credentials }: Pick<Planned, 'credentials'>,
): Promise<Versions> {
  await using control = await context.control();
  const versions = new Map<string, string>();
  for (const { variable, value } of credentials) {
    const stored = await control.request('credential.set', { name: `${name}/${variable}`, value });
    versions.set(stored.name, stored.version);
  }
  return versions;
}

/** What the sandbox of an imported server gets of the paths that its arguments name. */
export interface NamedAccess {
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** What it does not get: of a project's file, what is outside of that project. */
  readonly withheld: readonly string[];
}

/** `from`: see `createProfile`. */
export function namedAccess({ start, words, cwd, knows }: PlannedLocal, from: string | null): NamedAccess {
  const home = homeFolder(process.env);
  // An interpreter's script is its program.
  const script = start === 'command' ? words.slice(1).find((word) => !word.startsWith('-')) : undefined;
  const all = namedPaths(
    words
      .slice(1)
      .filter((word) => word !== script)
      .map((word) => expandHome(word, home)),
    cwd ?? from ?? undefined,
  );
  const given = all.filter((path) => mayNamePath(path, from));
  return {
    read: knows.writes === true ? [] : given,
    write: knows.writes === true ? given : [],
    withheld: all.filter((path) => !given.includes(path)),
  };
}

/** A user's own file says what its servers see; a project's file says it of the project alone, wherever links lead. */
function mayNamePath(path: string, from: string | null): boolean {
  if (from === null) return true;
  try {
    const real = realpathSync(expandHome(path, homeFolder(process.env)));
    const project = realpathSync(from);
    return real === project || real.startsWith(`${project}/`);
  } catch {
    return false;
  }
}

/** The options by which `warder add` makes this profile. */
function argumentsOf(name: string, plan: PlannedLocal, from: string | null): AddArguments {
  const { start, words, env, credentials, hosts, cwd, knows } = plan;
  // Of a database: the server needs the password, and to reach it.
  const reached = credentials.flatMap(({ value }) => connectionHosts(value));
  const folders =
    knows.writes === true
      ? words.filter((word) => /^(?:~|\/)/.test(word)).filter((path) => mayNamePath(path, from))
      : [];
  return {
    name,
    place: undefined,
    url: undefined,
    auth: undefined,
    bearer: false,
    header: [],
    'key-header': undefined,
    'client-id': undefined,
    scope: [],
    device: false,
    'allow-private': [],
    'insecure-loopback': false,
    description: undefined,
    credential: credentials.filter(({ from }) => from.where === 'variable').map(({ variable }) => variable),
    host: [...hosts, ...reached],
    deliver: whyUnsealed(plan) !== undefined && hosts.length + reached.length > 0 ? 'env' : undefined,
    env: Object.entries(env).map(([variable, value]) => `${variable}=${value}`),
    cwd,
    read: [],
    write: folders,
    allow: [],
    ask: [],
    deny: [],
    test: false,
    // Its name is one for which nothing is stored.
    'use-stored': true,
    'reads-named': (path) => mayNamePath(path, from),
    package: undefined,
    bin: undefined,
    'from-npx': start === 'npx' ? words.map(quoteWord).join(' ') : undefined,
    'from-uvx': start === 'uvx' ? words.map(quoteWord).join(' ') : undefined,
    python: undefined,
    'allow-scripts': [],
    'without-scripts': false,
    '--': start === 'command' ? [...words] : [],
  };
}

/** The command of a plan as a line. No secret is in it. */
export function commandLine({ words }: PlannedLocal): string {
  return words.map(quoteWord).join(' ');
}

function quoteWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
