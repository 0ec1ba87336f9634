// Where a credential's value is from, as the rest of the room sees it.
import type { StoreKind } from '../store/store.ts';

/** A command that prints the value, and for how long what it printed holds, in milliseconds. */
export interface CommandOrigin {
  readonly command: readonly string[];
  readonly ttl: number | undefined;
}

/** A kind of store, or a command. */
export type Origin = StoreKind | CommandOrigin;

/** What one value is known by: two profiles may mean the same one. */
export function keyOf(name: string, origin: Origin): string {
  return JSON.stringify([name, typeof origin === 'string' ? origin : [origin.command, origin.ttl]]);
}
