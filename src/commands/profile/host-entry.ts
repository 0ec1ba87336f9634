// The entry in a host's configuration that starts a server through Warder.
import { realpathSync } from 'node:fs';
import type { Places } from '../../wire/places.ts';

/** A server's entry in a host's configuration. */
export interface HostEntry {
  readonly command: string;
  readonly args: readonly string[];
  /** Only if Warder's places do not follow from the home folder alone. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The entry of a profile. All paths are absolute, because a host's PATH may have neither warder nor node. */
export function hostEntry({ variables }: Places, profile: string): HostEntry {
  const script = realpathSync(process.argv[1] ?? '');
  return {
    command: process.execPath,
    args: [script, 'run', profile],
    ...(Object.keys(variables).length === 0 ? {} : { env: variables }),
  };
}
