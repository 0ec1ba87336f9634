// What a host's configuration says to start a server through Warder.
import { realpathSync } from 'node:fs';
import type { Places } from '../../wire/places.ts';

/** A server's entry in a host's configuration. */
export interface HostEntry {
  readonly command: string;
  readonly args: readonly string[];
  /** Only where Warder's places are not those that follow from the home folder. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Absolute paths throughout: a host's PATH may have neither warder nor node. */
export function hostEntry({ variables }: Places, profile: string): HostEntry {
  const script = realpathSync(process.argv[1] ?? '');
  return {
    command: process.execPath,
    args: [script, 'run', profile],
    ...(Object.keys(variables).length === 0 ? {} : { env: variables }),
  };
}
