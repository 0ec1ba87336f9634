// The records of all profiles: each in the log before it counts.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Fields } from '../../audit/events.ts';
import type { AuditLog } from '../../audit/log.ts';
import type { Log } from '../../os/log.ts';
import type { AuthenticFiles } from '../store/authentic-files.ts';
import type { Sighting } from './compare.ts';
import { HeldLog } from './held-log.ts';
import { LookAlikes } from './look-alikes.ts';
import { digestOfRecord, ProfileTrust } from './profile-trust.ts';
import type { TrustRecord } from './record.ts';

export interface TrustRecordsOptions {
  /** The state folder. */
  readonly folder: string;
  /** The files, once the credential store is open; `locked`: it is not, but there is one; `unset`: there is none. */
  readonly files: () => AuthenticFiles | 'locked' | 'unset';
  readonly audit: Pick<AuditLog, 'append'>;
  readonly log: Log;
}

export class TrustRecords {
  readonly #options: TrustRecordsOptions;
  readonly #profiles = new Map<string, ProfileTrust>();
  /** What is held back, in the log. */
  readonly held = new HeldLog((fields) => this.append(fields));

  constructor(options: TrustRecordsOptions) {
    this.#options = options;
  }

  /** The credential store was opened. */
  reload(): void {
    for (const trust of this.#profiles.values()) trust.reload();
  }

  /** Writes what is not written yet. */
  flush(): void {
    for (const trust of this.#profiles.values()) {
      trust.keepSighting();
      trust.keepPinned();
    }
  }

  of(profile: string): ProfileTrust {
    let trust = this.#profiles.get(profile);
    if (trust === undefined) {
      const { files, log } = this.#options;
      trust = new ProfileTrust({ profile, files, log });
      this.#profiles.set(profile, trust);
    }
    return trust;
  }

  /** The names that all accepted servers list, to find those that look alike; `own` is what is being looked at. */
  lookAlikes(profile: string, own: Sighting | undefined): LookAlikes {
    const names = new LookAlikes();
    for (const name of own?.seen.described.tools.keys() ?? []) names.add(name, 'the same server');
    for (const name of this.of(profile).record?.described.tools.keys() ?? [])
      names.add(name, 'what you have accepted of this server');
    for (const other of this.#recorded()) {
      if (other === profile) continue;
      for (const name of this.of(other).record?.described.tools.keys() ?? []) names.add(name, `"${other}"`);
    }
    return names;
  }

  /** The record counts from now on, and is in the log before: throws where it cannot be. Settles once it is on disk. */
  become(
    trust: ProfileTrust,
    record: TrustRecord,
    fields: Partial<Fields['trust.change']> = {},
  ): Promise<void> {
    const { profile } = trust;
    this.append({
      profile,
      ...fields,
      what: 'record',
      outcome: 'accepted',
      record: digestOfRecord(record),
      ...(trust.digest !== undefined && { before: trust.digest }),
      by: record.by,
    });
    this.held.forget(profile);
    return trust.replace(record);
  }

  /** Throws where the log cannot be written. */
  append(fields: Fields['trust.change']): void {
    this.#options.audit.append('trust.change', fields);
  }

  #recorded(): string[] {
    try {
      return readdirSync(join(this.#options.folder, 'trust')).flatMap((file) => {
        const [, name] = /^([a-z0-9][a-z0-9-]*)\.json$/.exec(file) ?? [];
        return name === undefined ? [] : [name];
      });
    } catch {
      return [...this.#profiles.keys()];
    }
  }
}
