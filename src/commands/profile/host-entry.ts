// The entry in a host's configuration that starts a server through Warder.
import type { Context } from '../command.ts';
import { launchCommandPath } from '../launch-command.ts';

/** A server's entry in a host's configuration. */
export interface HostEntry {
  readonly command: string;
  readonly args: readonly string[];
  /** Only if Warder's places do not follow from the home folder alone. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * The entry of a profile: the launch command, and the profile's name. Absolute, because a host's PATH may have neither
 * warder nor node. Where there is no launch command it is that of `trialEntry`.
 */
export function hostEntry(
  context: Pick<Context, 'places' | 'program' | 'version'>,
  profile: string,
): HostEntry {
  const entry = trialEntry(context, profile);
  const command = launchCommandPath(context);
  return command === undefined ? entry : { ...entry, command, args: ['run', profile] };
}

/** The same with this Node and this copy of Warder: for a trial. */
export function trialEntry(
  { places, program }: Pick<Context, 'places' | 'program'>,
  profile: string,
): HostEntry {
  const { variables } = places;
  return {
    command: process.execPath,
    args: [program, 'run', profile],
    ...(Object.keys(variables).length === 0 ? {} : { env: variables }),
  };
}

/** Prints an entry, how it gets into a host, and what its first use needs. `notes`: of the launch command. */
export function printHostEntry(
  { terminal }: Pick<Context, 'terminal'>,
  profile: string,
  entry: HostEntry,
  notes: readonly string[] = [],
): void {
  terminal.out(`\nin the host's configuration, or by "warder connect ${profile} --host HOST":`);
  for (const note of notes) terminal.out(`  ${note}`);
  terminal.out('  the first use by each host asks for your yes: keep "warder approvals --watch" open');
  terminal.text(JSON.stringify({ [profile]: entry }, null, 2));
}
