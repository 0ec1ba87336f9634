// What `warder add` makes of a package that is known (src/host/known.ts): the secrets and hosts that it usually has are
// proposed, and what it needs to run in a sandbox is written into its profile, with a note on each.
import { existsSync, globSync, mkdirSync } from 'node:fs';
import { dirname, normalize } from 'node:path';
import { type KnownServer, knownHosts, knownReach, knownServer } from '../../host/known.ts';
import { referencedCredentials } from '../../profile/argument-credentials.ts';
import type { Delivery } from '../../profile/credential.ts';
import { expandHome } from '../../profile/format.ts';
import type { Context } from '../command.ts';
import { parseEnvOptions } from '../profile/option-checks.ts';
import type { AddArguments } from './options.ts';
import { type RequestedServer, requestedServer } from './requested-server.ts';

/** What a new profile has beside what was asked for. */
export interface KnownAccess {
  /** Where sealed credentials are carried. */
  readonly as: string | undefined;
  /** How credentials are delivered where nothing was said of it; undefined: as for any server. */
  readonly deliver: Delivery | undefined;
  /** Entries of `sandbox.network`. */
  readonly reaches: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly args: readonly string[];
  readonly read: readonly string[];
  /** Folders that are listed under `write`, and those of them that have to be made. */
  readonly write: readonly string[];
  readonly made: readonly string[];
  readonly keepHome: boolean;
  readonly notes: readonly string[];
}

/** What is known of the package that is asked for; nothing of a command. */
export function knowsOf(requested: RequestedServer): KnownServer {
  return requested.kind === 'package' ? knownServer(requested.spec.registry, requested.spec.name) : {};
}

/** What is known adds to a profile with these variables. Nothing is made yet. */
export function knownAccess(
  knows: KnownServer,
  name: string,
  {
    args,
    env,
    credentials,
  }: {
    readonly args: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly credentials: readonly string[];
  },
  home: string,
): KnownAccess {
  const notes: string[] = [];
  const missing = Object.entries(knows.env ?? {}).filter(
    ([variable]) => !Object.hasOwn(env, variable) && !credentials.includes(variable),
  );
  const added = Object.fromEntries(missing.map(([variable, value]) => [variable, expandHome(value, home)]));
  const isGiven = (word: string): boolean => {
    const option = word.replace(/=.*/s, '');
    return args.some((arg) => arg === option || arg.startsWith(`${option}=`));
  };
  const words = (knows.args ?? []).filter((word) =>
    /=./.test(word) ? !args.includes(word) : !isGiven(word),
  );
  const read: string[] = [];
  const { browser: drives } = knows;
  const browser = drives === undefined ? undefined : findBrowser(home);
  if (drives !== undefined && browser !== undefined) {
    const { file, folder } = browser;
    if ('argument' in drives) {
      if (!isGiven(drives.argument)) words.push(`${drives.argument}${file}`);
    } else if (!Object.hasOwn(env, drives.variable) && !args.some((arg) => BROWSER_OPTION.test(arg))) {
      added[drives.variable] = file;
    }
    if (folder !== undefined) read.push(folder);
  }
  for (const word of words) notes.push(`server.args: ${word}, which it needs in a sandbox`);
  for (const folder of read) notes.push(`sandbox.read: ${folder}, where its browser is`);
  for (const [variable, value] of Object.entries(added))
    notes.push(`env: ${variable}=${value}, which it needs in a sandbox`);
  const write: string[] = [];
  const made: string[] = [];
  for (const variable of knows.writesAt ?? []) {
    const file = added[variable] ?? env[variable];
    if (file === undefined) continue;
    const folder = dirname(normalize(expandHome(file, home)));
    if (isWide(folder, home)) {
      notes.push(
        `${variable}: its folder ${folder} has more than its own files in it, so the server cannot write there; name a file in a folder of its own`,
      );
      continue;
    }
    write.push(folder);
    if (Object.hasOwn(added, variable)) made.push(folder);
    else notes.push(`sandbox.write: ${folder}, because ${variable} names a file there`);
  }
  const reaches = knownReach(knows, env);
  if (reaches.length > 0) notes.push(`network: ${reaches.join(', ')}, without any secret`);
  if (knows.unsealable !== undefined && credentials.length > 0)
    notes.push(`it gets its secrets as they are: ${knows.unsealable}`);
  if (knows.note !== undefined) notes.push(knows.note.replaceAll('NAME', name));
  return {
    as: knows.as,
    deliver: knows.unsealable !== undefined && credentials.length > 0 ? 'env' : undefined,
    reaches,
    env: added,
    args: words,
    read,
    write,
    made,
    keepHome: knows.keepsHome === true,
    notes,
  };
}

/** What says which browser is meant. */
const BROWSER_OPTION = /^--(?:executable-path|browser|cdp-endpoint|extension|config)(?:=|$)/;

/** Where browsers are, and the folder that a sandbox does not have by itself. */
const BROWSERS: readonly (readonly [pattern: string, folder?: string])[] = [
  ['/opt/google/chrome/chrome', '/opt/google/chrome'],
  ['/usr/bin/chromium'],
  ['/usr/bin/chromium-browser'],
  ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome', '/Applications/Google Chrome.app'],
  ['/Applications/Chromium.app/Contents/MacOS/Chromium', '/Applications/Chromium.app'],
  ['~/.cache/ms-playwright/chromium-*/chrome-linux*/chrome', '~/.cache/ms-playwright'],
  ['~/.cache/puppeteer/chrome/*/chrome-linux*/chrome', '~/.cache/puppeteer'],
];

/** The browser of this machine, and the folder to list for it. */
function findBrowser(
  home: string,
): { readonly file: string; readonly folder: string | undefined } | undefined {
  for (const [pattern, folder] of BROWSERS) {
    const path = expandHome(pattern, home);
    const file = path.includes('*') ? globSync(path).sort().at(-1) : existsSync(path) ? path : undefined;
    if (file !== undefined)
      return { file, folder: folder === undefined ? undefined : expandHome(folder, home) };
  }
  return undefined;
}

/** Makes the folders that a server needs and that are its own. */
export function makeFolders({ made }: KnownAccess): void {
  for (const folder of made) mkdirSync(folder, { recursive: true, mode: 0o700 });
}

/** Whether a folder is the home folder, above it, or of the system. */
function isWide(folder: string, home: string): boolean {
  const parts = folder.split('/').filter(Boolean);
  return !folder.startsWith('/') || parts.length < 2 || `${home}/`.startsWith(`${folder}/`);
}

/**
 * Proposes the usual secrets and hosts of a known package, where none are given: asks in a terminal, takes them with
 * `--yes`, and says how to have them where nobody can be asked. Returns the options to go on with.
 */
export async function proposeKnown(context: Context, args: AddArguments): Promise<AddArguments> {
  const { terminal, json } = context;
  const isPackage = [args['from-npx'], args['from-uvx'], args.package].some((one) => one !== undefined);
  if (!isPackage || args.deliver !== undefined) return args;
  const requested = requestedServer(args);
  const knows = knowsOf(requested);
  const hosts = args.host.length > 0 ? [] : knownHosts(knows, parseEnvOptions(args.env));
  const given = [...args.credential, ...referencedCredentials(requested.args)];
  const credential = given.length > 0 ? [] : (knows.secrets ?? []);
  if (hosts.length === 0 && credential.length === 0) return args;
  // Hosts without a secret are not what is known of the server.
  if (given.length === 0 && credential.length === 0) return args;
  const say = (line: string): void => (json ? terminal.err(line) : terminal.out(line));
  const secrets = [...given, ...credential].join(', ');
  const title = requested.kind === 'package' ? requested.spec.name : '';
  const proposed =
    hosts.length > 0 || args.host.length > 0
      ? `${secrets} sealed for ${[...args.host, ...hosts].join(', ')}, and no other host`
      : `${secrets}, which it gets as it is${knows.unsealable === undefined ? '' : `: ${knows.unsealable}`}`;
  const taken = { ...args, host: [...args.host, ...hosts], credential: [...args.credential, ...credential] };
  if (args.yes === true) {
    say(`${title} is known: ${proposed}`);
    return taken;
  }
  if (!terminal.interactive) {
    const options = [
      ...credential.map((one) => `--credential ${one}`),
      ...hosts.map((one) => `--host ${one}`),
    ];
    terminal.err(
      `${title} is known: it usually has ${proposed}; "--yes" takes that, or "${options.join(' ')}"`,
    );
    return args;
  }
  say(`${title} is known: it usually has ${proposed}`);
  return (await terminal.confirm('write that into the profile?')) ? taken : args;
}
