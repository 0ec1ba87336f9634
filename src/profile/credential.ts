// A credential of a profile, and where its value comes from.
import * as z from 'zod';
import { describeEnum } from './schema-errors.ts';
import type { Signing } from './signing.ts';
import { DURATION_PATTERN, formatDuration, parseDuration } from './units.ts';

/** Where a value comes from. `store` is the store chosen with `warder init`. */
export type CredentialSource =
  | 'store'
  | 'keychain'
  | 'vault'
  | { readonly command: readonly string[] /** Milliseconds. */; readonly ttl: number | undefined };

export type Delivery = 'sealed' | 'env' | 'file' | 'arg';

/** One credential of a profile. The members from `hosts` on apply to `deliver: sealed` only. */
export interface ProfileCredential {
  /** The environment variable that the server reads. */
  readonly variable: string;
  readonly from: CredentialSource;
  /** Its name in the store: `github/token`. */
  readonly name: string;
  readonly deliver: Delivery;
  readonly hosts: readonly string[];
  readonly as: string | undefined;
  readonly paths: readonly string[] | undefined;
  readonly methods: readonly string[] | undefined;
  readonly confirm: boolean;
  /** Milliseconds. */
  readonly lifetime: number | undefined;
  readonly maxUses: number | undefined;
  readonly issues: IssuedTokens | undefined;
  /** Files of its hosts pass that cannot be searched for it. */
  readonly unsearched?: boolean | undefined;
  /** It signs instead of being sent. */
  readonly sign?: Signing | undefined;
}

/** A credential of Warder's own use: wherever it goes, and however often. */
export const UNLIMITED = {
  as: undefined,
  paths: undefined,
  methods: undefined,
  confirm: false,
  lifetime: undefined,
  maxUses: undefined,
  issues: undefined,
} as const satisfies Partial<ProfileCredential>;

/** Tokens that a host gives out for a sealed credential: which answers have them, and how they may be used. */
export interface IssuedTokens {
  /** The path of the requests; `undefined`: any. */
  readonly path: string | undefined;
  /** Names of members beside the usual ones. */
  readonly members: readonly string[];
  /** `undefined`: as the credential itself. */
  readonly as: string | undefined;
  readonly paths: readonly string[] | undefined;
  readonly methods: readonly string[] | undefined;
}

const text = z
  .union([z.string(), z.number(), z.boolean()], { error: 'must be text' })
  .transform((value) => String(value));
const duration = z.string().regex(DURATION_PATTERN, 'must be a duration such as 30s, 15m or 12h');

const FROM_MESSAGE = 'must be keychain, vault, or {command: [program, argument, ...], ttl: 15m}';
/** The key `from`. */
export const source = z.union(
  [
    z.enum(['keychain', 'vault']),
    z.strictObject({ command: z.array(text).min(1), ttl: duration.optional() }),
  ],
  {
    error: (issue) =>
      typeof issue.input === 'string' ? describeEnum(issue.input, ['keychain', 'vault']) : FROM_MESSAGE,
  },
);

export type SourceFile = z.output<typeof source>;

/** With its defaults. */
export function toSource(from: SourceFile | undefined): CredentialSource {
  if (typeof from !== 'object') return from ?? 'store';
  return { command: from.command, ttl: from.ttl === undefined ? undefined : parseDuration(from.ttl) };
}

/** As a profile says it: the opposite of `toSource`. */
export function fromSource(from: CredentialSource): object | string | undefined {
  if (typeof from !== 'object') return from === 'store' ? undefined : from;
  return { command: from.command, ttl: from.ttl === undefined ? undefined : formatDuration(from.ttl) };
}
