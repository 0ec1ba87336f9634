// A profile's trust as the control API shows it to people: data, with marks.
import type { ShownDifference, ShownRecord, ShownTrust } from '../../wire/control.ts';
import { isSameServer } from './compare.ts';
import type { LookAlikes } from './look-alikes.ts';
import { marksOfDefinition, type Names } from './marks.ts';
import { widened } from './permissions.ts';
import { digestOfRecord, type ProfileTrust } from './profile-trust.ts';
import { PART_KINDS, type Part, type PartKind, type Permissions, type TrustRecord } from './record.ts';

/** Characters of texts that are shown in one answer, which is one frame; the texts of what is beyond that are left out. */
const MAX_SHOWN = 5 * 2 ** 20;

/** Leaves out texts once there are too many. */
type Bound = (text: string | undefined) => string | null;

function boundTexts(): Bound {
  let left = MAX_SHOWN;
  return (text) => {
    // A quote is two characters in the answer.
    left -= JSON.stringify(text ?? '').length;
    return text === undefined || left < 0 ? null : text;
  };
}

export interface ShownWith {
  readonly alike: LookAlikes;
  /** What would be accepted. */
  readonly candidate: TrustRecord | undefined;
  /** The record before this one, instead of it. */
  readonly previous: boolean;
}

export function showTrust(trust: ProfileTrust, { alike, candidate, previous }: ShownWith): ShownTrust {
  const { profile, fault, sighting, lasts } = trust;
  const bound = boundTexts();
  const record = previous ? trust.previous : trust.record;
  const state =
    fault !== undefined
      ? fault.code === 'locked'
        ? 'locked'
        : 'unverified'
      : trust.record === undefined
        ? 'none'
        : 'accepted';
  const marks = (kind: PartKind, name: string, part: Part | undefined, tools: Names): string[] =>
    markedParts(kind, name, part, { alike, tools });
  // Before the record: what differs is what people look for.
  const seen: ShownTrust['seen'] =
    sighting === undefined || candidate === undefined || fault !== undefined
      ? null
      : {
          pending: digestOfRecord(candidate),
          files: sighting.server.files.map((file) => ({ ...file })),
          isOtherServer: trust.record !== undefined && !isSameServer(trust.record.server, sighting.server),
          wider: trust.record === undefined ? [] : widened(trust.record.permissions, sighting.permissions),
          whole: sighting.seen.whole.has('tools'),
          permissions: permissionLines(sighting.permissions),
          differences: trust.differences().map(
            ({ kind, name, change, before, after }): ShownDifference => ({
              kind,
              name,
              change,
              before: bound(before?.text),
              after: bound(after?.text),
              marks: change === 'removed' ? [] : marks(kind, name, after, sighting.seen.described.tools),
            }),
          ),
        };
  return {
    profile,
    state,
    detail: fault === undefined ? null : [fault.message, fault.hint].filter(Boolean).join('; '),
    lasts,
    undoable: trust.previous !== undefined,
    record: record === undefined ? null : showRecord(record, marks, bound),
    seen,
  };
}

type Marker = (kind: PartKind, name: string, part: Part, tools: Names) => string[];

function showRecord(record: TrustRecord, marks: Marker, bound: Bound): ShownRecord {
  const { accepted, by, server, permissions, described } = record;
  return {
    digest: digestOfRecord(record),
    accepted,
    by,
    files: server.files.map((file) => ({ ...file })),
    permissions: permissionLines(permissions),
    parts: PART_KINDS.flatMap((kind) =>
      [...described[kind]].map(([name, part]) => ({
        kind,
        name,
        digest: part.digest,
        text: bound(part.text),
        marks: marks(kind, name, part, described.tools),
      })),
    ),
  };
}

function markedParts(
  kind: PartKind,
  name: string,
  part: Part | undefined,
  { alike, tools }: { readonly alike: LookAlikes; readonly tools: Names },
): string[] {
  const other = kind === 'tools' ? alike.markOf(name) : undefined;
  return [
    ...(other === undefined ? [] : [other]),
    ...(part?.text === undefined ? [] : marksOfDefinition(part.text, tools, name)),
  ];
}

/** What a server may do, a line each. */
function permissionLines(permissions: Permissions): string[] {
  const { sandbox, runs, env, read, write, network, credentials, other } = permissions;
  const line = (what: string, entries: readonly string[]): string[] =>
    entries.map((entry) => `${what} ${entry}`);
  return [
    ...(sandbox === 'on' ? [] : [sandbox === 'off' ? 'runs without a sandbox' : 'runs on another machine']),
    ...line('runs:', runs),
    ...line('environment:', env),
    ...line('may read', read),
    ...line('may change', write),
    ...line('may reach', network),
    ...line('may use the credential', credentials),
    ...line('has', other),
  ];
}
