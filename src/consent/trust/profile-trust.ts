// What is accepted of the server of one profile: the record, the one before it, and what was seen to differ. All sessions of
// the profile share it. It is in a file that nobody but Warder can have written; while that cannot be read, nothing of the
// server is trusted.
import * as z from 'zod';
import { WarderError } from '../../errors.ts';
import type { Log } from '../../os/log.ts';
import { digest } from '../../relay/canonical.ts';
import type { IntroducedIdentity } from '../../relay/trust.ts';
import type { AuthenticFiles } from '../store/authentic-files.ts';
import { type Difference, differencesOf, type Sighting } from './compare.ts';
import { identityFromFile, identityToFile } from './offline.ts';
import { comparableText, emptyDescribed, fromFile, type Part, type TrustRecord, toFile } from './record.ts';
import { seenFromFile, seenToFile } from './seen-file.ts';

export interface ProfileTrustOptions {
  readonly profile: string;
  /** The files, once the credential store is open; `locked`: it is not, but there is one; `unset`: there is none. */
  readonly files: () => AuthenticFiles | 'locked' | 'unset';
  readonly log: Log;
}

/** Milliseconds after which what was seen to differ is written, however much more comes. */
const KEEP_DELAY = 5000;
/** The same of what was pinned. */
const PIN_DELAY = 500;

const stateFile = z.strictObject({ version: z.literal(1), record: z.unknown(), previous: z.unknown() });

export class ProfileTrust {
  readonly profile: string;
  readonly #options: ProfileTrustOptions;
  readonly #listeners = new Set<() => void>();
  #loaded: AuthenticFiles | 'locked' | 'unset' | undefined;
  #fault: WarderError | undefined;
  #record: TrustRecord | undefined;
  #previous: TrustRecord | undefined;
  #sighting: Sighting | undefined;
  #identity: IntroducedIdentity | undefined;
  #digest: string | undefined;
  /** Counts the records that were accepted; what is pinned makes no other. */
  #generation = 0;
  /** The differences that were written last, as a text. */
  #saved = '';
  #keeping: NodeJS.Timeout | undefined;
  #pinning: NodeJS.Timeout | undefined;

  constructor(options: ProfileTrustOptions) {
    this.#options = options;
    this.profile = options.profile;
  }

  /** Why the record does not count. `locked` while the credential store is not open, else `refused`. */
  get fault(): WarderError | undefined {
    this.#load();
    return this.#fault;
  }

  get record(): TrustRecord | undefined {
    this.#load();
    return this.#fault === undefined ? this.#record : undefined;
  }

  get previous(): TrustRecord | undefined {
    this.#load();
    return this.#fault === undefined ? this.#previous : undefined;
  }

  /** `sha256:<hex>` that names the record. */
  get digest(): string | undefined {
    const { record } = this;
    if (record === undefined) return undefined;
    this.#digest ??= digestOfRecord(record);
    return this.#digest;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Whether the record outlives the daemon. */
  get lasts(): boolean {
    return typeof this.#options.files() === 'object';
  }

  /** What was seen last. */
  get sighting(): Sighting | undefined {
    this.#load();
    return this.#sighting;
  }

  /** How what was seen last differs from the record; all of it is new where there is no record. */
  differences(): Difference[] {
    const { record, sighting } = this;
    return sighting === undefined ? [] : differencesOf(record?.described ?? emptyDescribed(), sighting.seen);
  }

  /** A session has seen something. */
  saw(sighting: Sighting): void {
    this.#sighting = sighting;
  }

  /** Keeps what was seen to differ, so that it can be shown once no session is open. */
  keepSighting(): void {
    clearTimeout(this.#keeping);
    this.#keeping = undefined;
    const { record } = this;
    const files = this.#loaded;
    const sighting = this.#sighting;
    if (record === undefined || sighting === undefined || typeof files !== 'object') return;
    const text = JSON.stringify(seenToFile(sighting, record));
    if (text === this.#saved) return;
    this.#saved = text;
    try {
      files.writeUnnumbered(seenFile(this.profile), text);
    } catch (error) {
      this.#options.log.warn(
        { profile: this.profile, error: String(error) },
        'what was held back is not kept',
      );
    }
  }

  /** What a remote server was when it was last asked; undefined: nothing is known. */
  get identity(): IntroducedIdentity | undefined {
    const files = this.#options.files();
    if (typeof files !== 'object') return this.#identity;
    try {
      const text = files.read(identityFile(this.profile));
      return text === undefined ? this.#identity : identityFromFile(JSON.parse(text));
    } catch (error) {
      this.#options.log.warn(
        { profile: this.profile, error: String(error) },
        'what a server is, is not known',
      );
      return this.#identity;
    }
  }

  /** Keeps what a remote server is, once something of it was accepted. */
  keepIdentity(identity: IntroducedIdentity | undefined): void {
    if (identity === undefined || this.record === undefined) return;
    this.#identity = identity;
    const files = this.#loaded;
    if (typeof files !== 'object') return;
    try {
      files.writeUnnumbered(identityFile(this.profile), JSON.stringify(identityToFile(identity)));
    } catch (error) {
      this.#options.log.warn(
        { profile: this.profile, error: String(error) },
        'what a server is, is not kept',
      );
    }
  }

  /** As `keepSighting`, once no more comes for a while. */
  keepSightingSoon(): void {
    if (this.#keeping !== undefined) return;
    this.#keeping = setTimeout(() => this.keepSighting(), KEEP_DELAY);
    this.#keeping.unref();
  }

  /** What a `ui://` resource contains, which nobody has read before, is from now on what it has to contain. */
  pin(uri: string, part: Part): void {
    const { record } = this;
    if (record === undefined) return;
    const contents = new Map(record.described.contents).set(uri, part);
    this.#record = { ...record, described: { ...record.described, contents } };
    this.#digest = undefined;
    // A server may have many: they are written together.
    this.#pinning ??= setTimeout(() => this.keepPinned(), PIN_DELAY);
    this.#pinning.unref();
  }

  /** Writes what was pinned. */
  keepPinned(): void {
    if (this.#pinning === undefined) return;
    clearTimeout(this.#pinning);
    this.#pinning = undefined;
    this.#write().catch((error: unknown) => this.#unwritten(error));
  }

  /** Replaces the record. It counts at once; settles once it is on disk, if it can be. */
  replace(record: TrustRecord): Promise<void> {
    this.#load();
    this.#previous = this.#record;
    return this.#become(record);
  }

  /** Goes back to the record before this one. Undefined: there is none. */
  undo(): Promise<void> | undefined {
    const { previous, record } = this;
    if (previous === undefined) return undefined;
    this.#previous = record;
    return this.#become(previous);
  }

  /** Forgets all: the next use is the first. What an older file says does not come back. */
  forget(): Promise<void> {
    this.#load();
    this.#previous = undefined;
    this.#sighting = undefined;
    return this.#become(undefined);
  }

  /**
   * Another daemon has written the record: what the file says counts, and nothing else. Nothing counts where it cannot be
   * read, or where `fault` says why it could be older than what was written last.
   */
  reread(fault?: unknown): void {
    this.#record = undefined;
    this.#previous = undefined;
    this.#sighting = undefined;
    this.#digest = undefined;
    this.#loaded = undefined;
    this.#load();
    if (fault !== undefined) this.#block(fault);
    this.changed();
  }

  /** The credential store was opened, or is another. */
  reload(): void {
    this.#load();
    this.changed();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells the sessions that what is held back may be other than before. */
  changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  async #become(record: TrustRecord | undefined): Promise<void> {
    this.#record = record;
    this.#generation++;
    this.#digest = undefined;
    this.#fault = undefined;
    this.#saved = '';
    const kept = this.#write();
    this.changed();
    await kept;
  }

  async #write(): Promise<void> {
    const files = this.#options.files();
    if (typeof files !== 'object') return;
    const record = this.#record === undefined ? null : toFile(this.#record);
    const previous = this.#previous === undefined ? null : toFile(this.#previous);
    await files.write(recordFile(this.profile), `${JSON.stringify({ version: 1, record, previous })}\n`);
  }

  #load(): void {
    const files = this.#options.files();
    if (files === this.#loaded) return;
    this.#loaded = files;
    this.#generation++;
    if (typeof files !== 'object') {
      this.#fault = files === 'locked' ? lockedError(this.profile) : undefined;
      return;
    }
    this.#fault = undefined;
    this.#digest = undefined;
    try {
      const text = files.read(recordFile(this.profile));
      if (text === undefined) {
        // What was accepted before there was a store is kept from now on.
        if (this.#record !== undefined) this.#write().catch((error: unknown) => this.#unwritten(error));
        return;
      }
      const { record, previous } = stateFile.parse(JSON.parse(text));
      this.#record = record === null ? undefined : fromFile(record);
      this.#previous = previous === null ? undefined : fromFile(previous);
      this.#loadSighting(files);
    } catch (error) {
      this.#block(error);
    }
  }

  #block(cause: unknown): void {
    const why = cause instanceof WarderError ? cause.message : 'the record cannot be read';
    this.#record = undefined;
    this.#previous = undefined;
    this.#fault = new WarderError(
      'refused',
      `what you have accepted of the server of "${this.profile}" cannot be trusted: ${why}`,
      {
        cause,
        hint: `look at what changed the file; then "warder trust accept ${this.profile}" shows what the server lists, and records it anew`,
      },
    );
    this.#options.log.error({ profile: this.profile, error: this.#fault.message }, 'a server is blocked');
  }

  /** What an earlier session saw. A file that does not verify is as good as none: it only shows. */
  #loadSighting(files: AuthenticFiles): void {
    if (this.#sighting !== undefined || this.#record === undefined) return;
    try {
      const text = files.read(seenFile(this.profile));
      if (text !== undefined) this.#sighting = seenFromFile(JSON.parse(text), this.#record);
    } catch (error) {
      this.#options.log.warn(
        { profile: this.profile, error: String(error) },
        'what was held back is not known',
      );
    }
  }

  #unwritten(error: unknown): void {
    this.#options.log.error(
      { profile: this.profile, error: String(error) },
      'what was accepted holds until the daemon ends only',
    );
  }
}

/** The name of a profile has no dot. */
function recordFile(profile: string): string {
  return `trust/${profile}.json`;
}

function seenFile(profile: string): string {
  return `trust/${profile}.seen.json`;
}

function identityFile(profile: string): string {
  return `trust/${profile}.identity.json`;
}

/** `sha256:<hex>` of what a record accepts. */
export function digestOfRecord(record: TrustRecord): string {
  return digest(comparableText(record));
}

function lockedError(profile: string): WarderError {
  return new WarderError(
    'locked',
    `what you have accepted of the server of "${profile}" cannot be read while the credential store is not open`,
    { hint: 'run "warder credential unlock"; the session goes on by itself then' },
  );
}
