// The origin of a credential's value: a store or a command.
import type { StoreKind } from '../store/store.ts';

/** A command that prints the value, and how long its output is valid, in milliseconds. */
export interface CommandOrigin {
  readonly command: readonly string[];
  readonly ttl: number | undefined;
}

/** A kind of store, or a command. */
export type Origin = StoreKind | CommandOrigin;

/** Identifies a value: two profiles may use the same one. */
export function keyOf(name: string, origin: Origin): string {
  return JSON.stringify([name, typeof origin === 'string' ? origin : [origin.command, origin.ttl]]);
}
