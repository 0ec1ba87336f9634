// What `warder check` finds on this machine: what it lacks for a profile, and what a server has left in its folders.
import { WarderError } from '../../errors.ts';
import { clock } from '../../os/clock.ts';
import { parseSpec } from '../../package/spec.ts';
import type { PackageStore } from '../../package/store.ts';
import type { LoadedProfile } from '../../profile/load.ts';
import { findBubblewrap, findCgroups, UPGRADE } from '../../sandbox/machine.ts';
import type { Places } from '../../wire/places.ts';
import { plantedNotes, protectedLine } from '../profile/planted.ts';
import type { Finding } from './finding.ts';

/** Adds what the server may not write although its folders are listed, and what it has planted there. */
export async function addPlanted(finding: Finding, { audit }: Places): Promise<Finding> {
  const { name, holds, warnings = [] } = finding;
  if (holds === undefined || holds.write.length === 0) return finding;
  return {
    ...finding,
    protected: await protectedLine(holds.write, holds.mayPlant),
    warnings: [...warnings, ...(await plantedNotes(audit, name, clock.now()))],
  };
}

/** Adds a note if the limit on memory cannot be held from here. The daemon may have a control group that this process has not. */
export async function checkMemory(finding: Finding): Promise<Finding> {
  if (finding.holds?.limits.memory.said !== true || process.platform !== 'linux') return finding;
  const groups = await findCgroups(process.getuid?.() ?? -1);
  if (groups?.kind === 'systemd' || groups?.memory !== undefined) return finding;
  const note =
    '"sandbox.memory" needs a control group, and none can be made from here: "warder doctor" says what the daemon has, and "{most: …, best-effort: true}" does without';
  return { ...finding, warnings: [...(finding.warnings ?? []), note] };
}

/** Adds what this machine's bubblewrap cannot mount safely. It is tried only if the profile needs it. */
export async function checkMounts(finding: Finding): Promise<Finding> {
  const [path] = finding.holds?.belowWritable ?? [];
  if (path === undefined || process.platform !== 'linux') return finding;
  const bubblewrap = await findBubblewrap();
  if (bubblewrap?.followsLinks !== true) return finding;
  const what = `"${path}" is below a folder that the server may write, and this bubblewrap cannot mount it there safely`;
  return {
    ...finding,
    state: 'unsupported',
    unsupported: [...(finding.unsupported ?? []), { what, hint: UPGRADE }],
  };
}

/** Adds what is wrong with the Python of a package. */
export async function checkRuntime(
  finding: Finding,
  found: LoadedProfile | WarderError,
  packages: Pick<PackageStore, 'checkRuntime'>,
): Promise<Finding> {
  if (found instanceof WarderError || found.profile.server.kind !== 'package') return finding;
  const use = { profile: finding.name, spec: parseSpec(found.profile.server.package) };
  try {
    await packages.checkRuntime(use);
    return finding;
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    return { ...finding, warnings: [...(finding.warnings ?? []), `${error.message} (${error.hint ?? ''})`] };
  }
}
