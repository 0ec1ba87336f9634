// Keeps the launch command, which the configurations of hosts name. `init`, `add` and `daemon install` write it; every
// verb mends it where what it starts is gone. It goes on starting the copy of Warder that it has recorded as long as that
// works: a copy that may vanish (a project's, a temporary one) takes its place only if there is nothing else.
import { WarderError } from '../errors.ts';
import { homeFolder } from '../os/home.ts';
import {
  isPresent,
  isUsableNode,
  type LaunchCommand,
  type LaunchRecord,
  lastingNode,
  PACKAGED,
  passing,
  placeOfScript,
  readLaunchCommand,
  versionOf,
  writeLaunchCommand,
} from '../os/launch-command.ts';
import type { Context } from './command.ts';

type Kept = Pick<Context, 'places' | 'program' | 'version'>;

/** The launch command after it was made sure of. */
export interface Ensured {
  readonly path: string;
  readonly wrote: boolean;
  /** What a person should know, a line each. */
  readonly notes: readonly string[];
}

/** The path of the launch command that is there: that of a system's package if this program is its, else the user's. */
export function launchCommandPath({ places, program }: Kept): string | undefined {
  const packaged = readSafely(PACKAGED);
  if (packaged.state === 'own' && packaged.record.program === program) return PACKAGED;
  return readSafely(places.launchCommand).state === 'own' ? places.launchCommand : undefined;
}

/**
 * Writes the launch command unless there is one that works. `take`: also in the place of another copy's that works, if
 * this copy is there for good. Throws `cannot-write` and `unsupported`.
 */
export function ensureLaunchCommand(context: Kept, { take = false } = {}): Ensured {
  const { places, program } = context;
  const path = places.launchCommand;
  if (launchCommandPath(context) === PACKAGED) return { path: PACKAGED, wrote: false, notes: [] };
  const found = readSafely(path);
  if (found.state === 'foreign')
    throw new WarderError('cannot-write', `${path} ${found.what}`, { hint: found.hint });
  const why = passing(program);
  const own = { node: ownNode(), program };
  if (
    found.state === 'own' &&
    found.record.program !== program &&
    versionOf(found.record.program) !== undefined
  ) {
    const other = found.record.program;
    if (!take || why !== undefined) {
      const notes = [`${path} starts the Warder at ${other}, not this copy${why ? `, which is ${why}` : ''}`];
      if (isUsableNode(found.record.node, true)) return { path, wrote: false, notes };
      writeLaunchCommand(path, { node: own.node, program: other });
      return { path, wrote: true, notes };
    }
    writeLaunchCommand(path, own);
    return { path, wrote: true, notes: [`${path} starts this copy of Warder now, not the one at ${other}`] };
  }
  const node = found.state === 'own' && isUsableNode(found.record.node, true) ? found.record.node : own.node;
  const wrote = writeIfOther(path, { node, program }, found);
  const notes =
    why === undefined || !wrote
      ? []
      : [
          `${path} starts this copy of Warder, which is ${why}: install one for good, "npm install -g warder"`,
        ];
  return { path, wrote, notes };
}

/** As `ensureLaunchCommand`, in words: where it cannot be written, why. */
export function launchNotes(context: Kept, options?: { readonly take?: boolean }): readonly string[] {
  try {
    return ensureLaunchCommand(context, options).notes;
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    const { message, hint } = error;
    return [`there is no launch command for hosts: ${message}${hint === undefined ? '' : ` (${hint})`}`];
  }
}

/**
 * Mends the launch command if it is there and what it starts is gone, or if this is a newer version. Returns what to say.
 * `script`: the launch command, or its script, which calls this when it has found another Node. Never throws: a verb does its
 * work all the same, and `doctor` says what is wrong.
 */
export function repairLaunchCommand(
  { places, program, version }: Kept,
  script: string = places.launchCommand,
): string | undefined {
  try {
    const path = placeOfScript(script);
    const found = readLaunchCommand(path);
    if (found.state !== 'own') return undefined;
    const { record } = found;
    const takes = record.program !== program;
    if (takes) {
      const recorded = versionOf(record.program);
      if (passing(program) !== undefined || (recorded !== undefined && !isNewer(version, recorded)))
        return undefined;
    }
    const node = isUsableNode(record.node) ? record.node : ownNode();
    writeIfOther(path, { node, program }, found);
    return takes ? `${path} starts ${program} now, not ${record.program}` : undefined;
  } catch {
    return undefined;
  }
}

function writeIfOther(path: string, record: LaunchRecord, found: LaunchCommand): boolean {
  if (isPresent(found, record)) return false;
  writeLaunchCommand(path, record);
  return true;
}

function ownNode(): string {
  return lastingNode(process.execPath, homeFolder(process.env));
}

function readSafely(path: string): ReturnType<typeof readLaunchCommand> {
  try {
    return readLaunchCommand(path);
  } catch (error) {
    return { state: 'foreign', what: `cannot be read: ${String(error)}`, hint: 'look at it' };
  }
}

function isNewer(version: string, than: string): boolean {
  const [mine, other] = [version, than].map((text) => text.split('-')[0]?.split('.').map(Number) ?? []);
  for (let part = 0; part < 3; part++) {
    const difference = (mine?.[part] ?? 0) - (other?.[part] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
