// What a server planted (sandbox/planted.ts), as text for its standard error and as a record for the log. Both are bounded,
// because a server can plant as much as it likes.
import type { Fields } from '../audit/events.ts';
import type { AuditLog } from '../audit/log.ts';
import { escapeUnprintable } from '../audit/printable.ts';
import type { Clock } from '../os/clock.ts';
import type { Log } from '../os/log.ts';
import type { Profile } from '../profile/format.ts';
import type { PlantedReport } from '../sandbox/planted.ts';
import type { PlantedPath } from '../wire/control.ts';

/** How many paths of each kind are named. */
const MAX_NAMED = 16;

/** How many paths `status` shows. */
const MAX_RECENT = 20;

/** Records what servers plant, and remembers the newest of it for `status`. */
export class PlantedRecords {
  readonly #parts: { readonly audit: Pick<AuditLog, 'append'>; readonly clock: Clock; readonly log: Log };
  #recent: PlantedPath[] = [];

  constructor(parts: { readonly audit: Pick<AuditLog, 'append'>; readonly clock: Clock; readonly log: Log }) {
    this.#parts = parts;
  }

  /** The newest paths, oldest first. */
  get recent(): readonly PlantedPath[] {
    return this.#recent;
  }

  /** Records a report of a session's server. The daemon's log has it too, also if the audit log cannot be written. */
  record(session: string, { name, audit: { durability } }: Profile, report: PlantedReport): void {
    const { audit, clock, log } = this.#parts;
    const record = plantedRecord(session, name, report);
    const since = new Date(clock.now()).toISOString();
    this.#recent = [
      ...this.#recent,
      ...record.appeared.map(({ path, put_away }) => ({ session, profile: name, since, path, put_away })),
      ...record.changed.map((path) => ({ session, profile: name, since, path })),
    ].slice(-MAX_RECENT);
    log.warn(record, 'a server wrote what other programs execute or obey');
    try {
      audit.append('sandbox.planted', record, durability);
    } catch {
      // The audit log has reported why. Calls are refused until it can be written again.
    }
  }
}

/** The lines for a session's standard error. */
export function plantedText(profile: string, report: PlantedReport): string {
  const { appeared, changed, uncompared, more } = bounded(report);
  const lines = [
    ...appeared.map(
      ({ path, putAway }) =>
        `${quoted(path)} appeared, which other programs obey: it is now ${quoted(putAway)}`,
    ),
    ...changed.map(
      (path) => `${quoted(path)} has changed, which other programs obey: look at it before you use it`,
    ),
    ...uncompared.map(
      (path) => `${quoted(path)} has so many entries that not all were compared: look at what is new`,
    ),
    ...(more === 0 ? [] : [`${more} more paths like these`]),
  ];
  return lines.map((line) => `warder: ${profile}: ${line}\n`).join('');
}

/** A path that a server has chosen, so that it steers no terminal. */
function quoted(path: string): string {
  return escapeUnprintable(JSON.stringify(path));
}

/** The record for the log. */
function plantedRecord(session: string, profile: string, report: PlantedReport): Fields['sandbox.planted'] {
  const { appeared, changed, uncompared, more } = bounded(report);
  return {
    session,
    profile,
    appeared: appeared.map(({ path, putAway }) => ({ path, put_away: putAway })),
    changed,
    uncompared,
    ...(more > 0 && { more }),
  };
}

function bounded({ appeared, changed, uncompared }: PlantedReport): PlantedReport & { more: number } {
  const over = (list: readonly unknown[]): number => Math.max(list.length - MAX_NAMED, 0);
  return {
    appeared: appeared.slice(0, MAX_NAMED),
    changed: changed.slice(0, MAX_NAMED),
    uncompared: uncompared.slice(0, MAX_NAMED),
    more: over(appeared) + over(changed) + over(uncompared),
  };
}
