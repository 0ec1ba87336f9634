// Warder's own settings: `config/warder.yaml`. All are optional. As in profiles, an unknown key is an error.
// profiles/settings.md is their reference; a test compares its defaults with those here.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import * as z from 'zod';
import { WarderError } from '../errors.ts';
import { ownershipProblem, writeFileAtomic } from '../os/file.ts';
import type { Places } from '../wire/places.ts';
import { diagnosticsError } from './diagnostic.ts';
import { MAX_FILE_BYTES, parseYaml } from './document.ts';
import { DOCUMENT_URL_RULE, isDocumentUrl } from './remote-checks.ts';
import { describeIssue, toDiagnostics } from './schema-errors.ts';
import { DURATION_PATTERN, parseDuration, parseSize, SIZE_PATTERN } from './units.ts';

/** How the vault is opened. */
export type VaultKey = 'passphrase' | { readonly file: string } | { readonly systemd: string };

/** The ways to ask a person. */
const WAY_NAMES = ['host', 'terminal', 'desktop', 'pinentry'] as const;
export type WayName = (typeof WAY_NAMES)[number];

/** All settings with their defaults. Durations are milliseconds, sizes are bytes. */
export interface Settings {
  /** `undefined`: not chosen yet. */
  readonly store: 'keychain' | 'vault' | undefined;
  readonly vault: { readonly key: VaultKey };
  readonly keychain: {
    /** Time limit of a call. */
    readonly timeout: number;
    /** Time limit for a person to unlock it. */
    readonly patience: number;
  };
  readonly daemon: {
    /** How long the daemon stays without work before it ends. */
    readonly idle: number;
    readonly log: { readonly size: number; readonly keep: number };
  };
  /** Size limit of a line of JSON-RPC. */
  readonly relay: { readonly line: number };
  /** How long a rotation waits for requests in flight. */
  readonly rotation: { readonly drain: number };
  /** The gate between the sandboxes and the network. */
  readonly egress: {
    /** Name servers to use instead of the system's own: address, or address:port. */
    readonly resolvers: readonly string[];
    /** A file of certificates (PEM) to trust in addition to the usual ones. */
    readonly ca: string | undefined;
    /** The proxy for all outgoing connections, except to the hosts in `except`. */
    readonly proxy: string | undefined;
    /** Name of the credential that holds the proxy's `user:password`. */
    readonly login: string | undefined;
    readonly except: readonly string[];
  };
  /** How people are asked where a policy says `ask`. */
  readonly consent: {
    /** The ways to ask, in this order; those that are missing are not used. */
    readonly ways: readonly WayName[];
    /** Paths of the programs of the way `pinentry`; undefined: looked for where systems install them. */
    readonly pinentry: string | undefined;
    readonly askpass: string | undefined;
    /** A terminal that is set aside for pinentry. */
    readonly tty: string | undefined;
    /** After this time the answer is no. */
    readonly timeout: number;
    /** Questions in a minute for one host and profile. */
    readonly rate: number;
    /** What the first use of a profile, and of it by a host program, needs: a person's answer, or nothing. */
    readonly 'first-use': 'ask' | 'accept';
  };
  /** Signing in to remote servers. */
  readonly remote: {
    /** The program that opens pages, and its arguments; the URL is appended. Undefined: the system's own. */
    readonly browser: readonly string[] | undefined;
    /** The URL of a Client ID Metadata Document, which is then the id of the client. */
    readonly 'client-metadata-url': string | undefined;
  };
  readonly audit: {
    readonly segment: number;
    /** Closed segments beyond this number or age are removed; by default none are. */
    readonly keep: { readonly count: number | undefined; readonly age: number | undefined };
    /** The log is signed at the latest after this many records, or this long after a record. */
    readonly checkpoint: { readonly records: number; readonly every: number };
  };
}

const duration = z
  .string()
  .regex(DURATION_PATTERN, 'must be a duration such as 30s, 15m or 12h')
  .transform((value) => parseDuration(value) ?? 0);
const size = (minimum: number, maximum: number) =>
  z
    .string()
    .regex(SIZE_PATTERN, 'must be a size such as 64MiB')
    .transform((value) => parseSize(value) ?? 0)
    .refine(
      (value) => value >= minimum && value <= maximum,
      `must be from ${minimum / 1024}KiB to ${maximum / 2 ** 20}MiB`,
    );
const count = z.int().min(1).max(1_000_000);
const systemdName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'must be letters, digits, ".", "_" and "-"');

const file = z.string().regex(/^(\/|~\/|[A-Za-z]:[\\/])/, 'must be an absolute path, or begin with "~/"');
const program = z.string().regex(/^(\/|[A-Za-z]:[\\/])/, 'must be an absolute path');
const resolver = z
  .string()
  .regex(
    /^(\d{1,3}(\.\d{1,3}){3}(:\d{1,5})?|\[[0-9a-f:.]+\](:\d{1,5})?)$/i,
    'must be an address such as 9.9.9.9, 127.0.0.1:5353 or [::1]:53',
  );
const proxy = z.string().refine((text) => {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
}, 'must be http://HOST:PORT or https://HOST:PORT, without a user: "login" names the credential that has it');

const word = z.string().regex(/^\P{Cc}+$/u, 'must be text on one line');

const isUnique = (names: readonly string[]): boolean => new Set(names).size === names.length;

const settingsFile = z.strictObject({
  store: z.enum(['keychain', 'vault']).optional(),
  vault: z
    .strictObject({
      key: z.union(
        [z.literal('passphrase'), z.strictObject({ file }), z.strictObject({ systemd: systemdName })],
        {
          error: () => 'must be passphrase, {file: PATH} or {systemd: NAME}',
        },
      ),
    })
    .optional(),
  keychain: z
    .strictObject({
      timeout: duration.refine((value) => value >= 1000, 'must be at least 1s').optional(),
      patience: duration.refine((value) => value >= 1000, 'must be at least 1s').optional(),
    })
    .optional(),
  daemon: z
    .strictObject({
      idle: duration.refine((value) => value >= 1000, 'must be at least 1s').optional(),
      log: z.strictObject({ size: size(4096, 2 ** 30).optional(), keep: count.optional() }).optional(),
    })
    .optional(),
  relay: z.strictObject({ line: size(65536, 2 ** 30).optional() }).optional(),
  rotation: z.strictObject({ drain: duration.optional() }).optional(),
  egress: z
    .strictObject({
      resolvers: z.array(resolver).min(1).optional(),
      ca: file.optional(),
      proxy: proxy.optional(),
      login: z.string().optional(),
      except: z.array(z.string().regex(/^(\*\.)?[a-z0-9.-]+$/, 'must be a host in lower case')).optional(),
    })
    .optional(),
  consent: z
    .strictObject({
      ways: z.array(z.enum(WAY_NAMES)).refine(isUnique, 'names a way twice').optional(),
      pinentry: program.optional(),
      askpass: program.optional(),
      tty: z
        .string()
        .regex(/^\/dev\/[\w/-]+$/, 'must be a terminal such as /dev/pts/3')
        .optional(),
      timeout: duration.refine((value) => value >= 1000, 'must be at least 1s').optional(),
      rate: count.optional(),
      'first-use': z.enum(['ask', 'accept']).optional(),
    })
    .optional(),
  remote: z
    .strictObject({
      browser: z
        .array(word)
        .min(1)
        .refine(
          ([file = '']) => program.safeParse(file).success,
          'must begin with the absolute path of a program',
        )
        .optional(),
      'client-metadata-url': z.string().max(2048).refine(isDocumentUrl, DOCUMENT_URL_RULE).optional(),
    })
    .optional(),
  audit: z
    .strictObject({
      segment: size(4096, 2 ** 34).optional(),
      keep: z.strictObject({ count: count.optional(), age: duration.optional() }).optional(),
      checkpoint: z.strictObject({ records: count.optional(), every: duration.optional() }).optional(),
    })
    .optional(),
});

/** The path of the settings file. */
export function settingsPath(places: Places): string {
  return join(places.config, 'warder.yaml');
}

/** Parses settings; `file` is for messages. Throws `config-invalid` with all diagnostics. */
export function parseSettings(text: string, file: string): Settings {
  const document = parseYaml(text);
  const parsed = settingsFile.safeParse(document.value ?? {}, { error: describeIssue });
  const diagnostics = [
    ...document.diagnostics,
    ...(document.isUsable && !parsed.success ? toDiagnostics(parsed.error, document) : []),
  ];
  if (diagnostics.length > 0 || !parsed.success) {
    throw diagnosticsError('config-invalid', 'the settings are broken', file, diagnostics);
  }
  const { store, vault, keychain, daemon, relay, rotation, egress, consent, remote, audit } = parsed.data;
  return {
    store,
    vault: { key: vault?.key ?? 'passphrase' },
    // Hosts give up on a server after about a minute.
    keychain: { timeout: keychain?.timeout ?? 10_000, patience: keychain?.patience ?? 45_000 },
    daemon: {
      idle: daemon?.idle ?? 15 * 60_000,
      log: { size: daemon?.log?.size ?? 4 * 2 ** 20, keep: daemon?.log?.keep ?? 3 },
    },
    relay: { line: relay?.line ?? 64 * 2 ** 20 },
    rotation: { drain: rotation?.drain ?? 30_000 },
    egress: {
      resolvers: egress?.resolvers ?? [],
      ca: egress?.ca,
      proxy: egress?.proxy,
      login: egress?.login,
      except: egress?.except ?? [],
    },
    consent: {
      // A dialog that takes the keyboard comes last.
      ways: consent?.ways ?? ['host', 'desktop', 'terminal', 'pinentry'],
      pinentry: consent?.pinentry,
      askpass: consent?.askpass,
      tty: consent?.tty,
      timeout: consent?.timeout ?? 2 * 60_000,
      rate: consent?.rate ?? 20,
      'first-use': consent?.['first-use'] ?? 'ask',
    },
    remote: { browser: remote?.browser, 'client-metadata-url': remote?.['client-metadata-url'] },
    audit: {
      segment: audit?.segment ?? 64 * 2 ** 20,
      keep: { count: audit?.keep?.count, age: audit?.keep?.age },
      checkpoint: {
        records: audit?.checkpoint?.records ?? 1000,
        every: audit?.checkpoint?.every ?? 60_000,
      },
    },
  };
}

/** The saved settings, or the defaults if there is no file. Throws `config-invalid`. */
export function loadSettings(places: Places): Settings {
  return parseSettings(readSettingsText(places) ?? '', settingsPath(places));
}

/**
 * Changes single settings by key path, and keeps the rest of the file with its comments. The result is checked before
 * it is written. Throws `config-invalid`, `cannot-write`.
 */
export function updateSettings(
  places: Places,
  changes: readonly (readonly [path: readonly string[], value: unknown])[],
): void {
  const file = settingsPath(places);
  const text = readSettingsText(places) ?? '';
  parseSettings(text, file);
  const document = parseDocument(text);
  for (const [path, value] of changes) document.setIn(path, value);
  const changed = document.toString({ lineWidth: 0 });
  parseSettings(changed, file);
  try {
    writeFileAtomic(file, changed);
  } catch (cause) {
    throw new WarderError('cannot-write', `cannot write ${file}`, { cause });
  }
}

function readSettingsText(places: Places): string | undefined {
  const file = settingsPath(places);
  let bytes: Buffer;
  try {
    const problem = ownershipProblem(file, statSync(file));
    if (problem !== undefined) {
      throw new WarderError('config-invalid', `the settings are not safe: ${problem.what}`, {
        hint: problem.hint,
      });
    }
    bytes = readFileSync(file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (cause instanceof WarderError) throw cause;
    throw new WarderError('config-invalid', `cannot read ${file}`, { cause });
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, MAX_FILE_BYTES + 1));
  } catch {
    throw new WarderError('config-invalid', `the settings are broken: ${file} is not UTF-8 text`);
  }
}
