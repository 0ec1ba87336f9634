// How what a server says now differs from what was accepted. The order of lists and of members does not count.
import {
  copyOf,
  type Described,
  PART_KINDS,
  type Part,
  type PartKind,
  type Parts,
  type Permissions,
  type ServerIdentity,
} from './record.ts';

/** One thing that differs. Of `removed` there is no `after`, of `added` no `before`. */
export interface Difference {
  readonly kind: PartKind;
  readonly name: string;
  readonly change: 'added' | 'changed' | 'removed';
  readonly before: Part | undefined;
  readonly after: Part | undefined;
}

/** What a server was seen to say. */
export interface Seen {
  readonly described: Described;
  /** The kinds that were seen whole: only of these it is known what is no longer there. */
  readonly whole: ReadonlySet<PartKind>;
}

/** A server as a session has seen it: what ran, what it might do, and what it said. */
export interface Sighting {
  readonly seen: Seen;
  readonly server: ServerIdentity;
  readonly permissions: Permissions;
}

/** How one thing differs from what was accepted of it; undefined if it does not. */
export function changeOf(accepted: Parts, name: string, { digest }: Part): 'added' | 'changed' | undefined {
  const before = accepted.get(name);
  if (before === undefined) return 'added';
  return before.digest === digest ? undefined : 'changed';
}

/** All differences, sorted by kind and name. */
export function differencesOf(accepted: Described, { described, whole }: Seen): Difference[] {
  return PART_KINDS.flatMap((kind) => {
    const before = accepted[kind];
    const after = described[kind];
    const differences: Difference[] = [];
    for (const [name, part] of after) {
      const change = changeOf(before, name, part);
      if (change !== undefined)
        differences.push({ kind, name, change, before: before.get(name), after: part });
    }
    if (whole.has(kind)) {
      for (const [name, part] of before) {
        if (!after.has(name))
          differences.push({ kind, name, change: 'removed', before: part, after: undefined });
      }
    }
    return differences.sort((a, b) => (a.name < b.name ? -1 : 1));
  });
}

/** What was accepted, with some differences accepted too. */
export function withDifferences(accepted: Described, differences: readonly Difference[]): Described {
  const described = copyOf(accepted);
  for (const { kind, name, after } of differences) {
    if (after === undefined) described[kind].delete(name);
    else described[kind].set(name, after);
  }
  return described;
}

/** Whether what runs is what was accepted. */
export function isSameServer(accepted: ServerIdentity, now: ServerIdentity): boolean {
  return (
    accepted.files.length === now.files.length &&
    accepted.files.every(({ path, digest }, at) => {
      const file = now.files[at];
      return file !== undefined && file.path === path && file.digest === digest;
    })
  );
}
