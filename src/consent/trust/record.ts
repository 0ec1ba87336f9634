// The record of what the user has accepted of a server: what runs, what it may do, and all that it says of itself. It is
// kept as data, so that what has changed can be shown. Only the digests are compared.
import * as z from 'zod';

/** What is listed. Of resources only the `ui://` ones count. */
export const KINDS = ['tools', 'prompts', 'resources', 'templates'] as const;
export type RecordedKind = (typeof KINDS)[number];

/** What is named in a record: entries of lists, contents of `ui://` resources, what the server says of itself. */
export type PartKind = RecordedKind | 'contents' | 'introduction';

/** One thing that a server says. */
export interface Part {
  /** `sha256:<hex>` of its canonical form. */
  readonly digest: string;
  /** Its canonical JSON text; undefined if it was too much to keep. */
  readonly text: string | undefined;
}

/** Parts by their names: names of tools, URIs, `instructions`. A map, so that no name is special. */
export type Parts = ReadonlyMap<string, Part>;

/** All that a server says. */
export type Described = Readonly<Record<PartKind, Parts>>;

/** What runs. */
export interface ServerIdentity {
  /** The files, or the package, each with its digest; an interpreter that only the system may change has none. */
  readonly files: readonly { readonly path: string; readonly digest: string | null }[];
}

/** What the server may do, one permission a string: see permissions.ts. */
export interface Permissions {
  readonly sandbox: 'on' | 'off' | 'remote';
  readonly runs: readonly string[];
  readonly env: readonly string[];
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly network: readonly string[];
  readonly credentials: readonly string[];
  readonly other: readonly string[];
}

/** What was accepted, when and how. */
export interface TrustRecord {
  /** RFC 3339. */
  readonly accepted: string;
  /** The way in which a person said so; `setting` if nobody was asked. */
  readonly by: string;
  readonly server: ServerIdentity;
  readonly permissions: Permissions;
  readonly described: Described;
}

/** A server that says nothing, to be filled. */
export function emptyDescribed<P extends Part = Part>(): Record<PartKind, Map<string, P>> {
  return {
    introduction: new Map(),
    tools: new Map(),
    prompts: new Map(),
    resources: new Map(),
    templates: new Map(),
    contents: new Map(),
  };
}

export function copyOf(described: Described): Record<PartKind, Map<string, Part>> {
  const copy = emptyDescribed();
  for (const kind of PART_KINDS) {
    for (const [name, { digest, text }] of described[kind]) copy[kind].set(name, { digest, text });
  }
  return copy;
}

/** The names of all kinds of parts, in the order in which people read them. */
export const PART_KINDS = ['introduction', ...KINDS, 'contents'] as const satisfies readonly PartKind[];

/**
 * The canonical text of what is accepted, whatever the order in which it was listed: its digest names a record. When it was
 * accepted, and how, is no part of it.
 */
export function comparableText({ server, permissions, described }: TrustRecord): string {
  const parts = PART_KINDS.map((kind) => [
    kind,
    sorted(described[kind]).map(([name, { digest }]) => [name, digest]),
  ]);
  return JSON.stringify([server.files.map(({ path, digest }) => [path, digest]), permissions, parts]);
}

function sorted(parts: Parts): [string, Part][] {
  return [...parts].sort(([a], [b]) => (a < b ? -1 : 1));
}

const parts = z.array(z.tuple([z.string(), z.string(), z.string().nullable()]));
const strings = z.array(z.string());

/** What runs, and what it may do, as they are in files. */
export const serverFile = z.strictObject({
  files: z.array(z.strictObject({ path: z.string(), digest: z.string().nullable() })),
});
export const permissionsFile = z.strictObject({
  sandbox: z.enum(['on', 'off', 'remote']),
  runs: strings,
  env: strings,
  read: strings,
  write: strings,
  network: strings,
  credentials: strings,
  other: strings,
});

const recordFile = z.strictObject({
  accepted: z.string(),
  by: z.string(),
  server: serverFile,
  permissions: permissionsFile,
  described: z.strictObject({
    introduction: parts,
    tools: parts,
    prompts: parts,
    resources: parts,
    templates: parts,
    contents: parts,
  }),
});

/** A record as it is in its file. */
export function toFile({ described, ...rest }: TrustRecord): object {
  const lists = PART_KINDS.map((kind) => [
    kind,
    sorted(described[kind]).map(([name, { digest, text }]) => [name, digest, text ?? null]),
  ]);
  return { ...rest, described: Object.fromEntries(lists) };
}

/** The record in a file's JSON value. Throws zod's error. */
export function fromFile(value: unknown): TrustRecord {
  const { described, ...rest } = recordFile.parse(value);
  const filled = emptyDescribed();
  for (const kind of PART_KINDS) {
    for (const [name, digest, text] of described[kind])
      filled[kind].set(name, { digest, text: text ?? undefined });
  }
  return { ...rest, described: filled };
}
