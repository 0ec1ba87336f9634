// The grants of this user, in memory and on disk. Those for a session live in memory alone. Without a credential store
// none can be kept on disk, since nothing could tell a forged one.
import { randomBytes } from 'node:crypto';
import * as z from 'zod';
import { WarderError } from '../../errors.ts';
import type { Clock } from '../../os/clock.ts';
import type { Log } from '../../os/log.ts';
import { handedOver } from '../handed-over.ts';
import type { Answer } from '../questions/answer.ts';
import type { AuthenticFiles } from './authentic-files.ts';
import { GRANT_KINDS, type Grant, GrantBook, type GrantSubject, grantOf } from './grants.ts';

const FILE = 'grants.json';

const grant = z.strictObject({
  id: z.string(),
  made: z.string(),
  by: z.string(),
  decision: z.enum(['allow', 'deny']),
  host: z.string(),
  profile: z.string(),
  server: z.string(),
  kind: z.enum(GRANT_KINDS),
  name: z.string(),
  pattern: z.string().exactOptional(),
  definition: z.string().exactOptional(),
  arguments: z.string().exactOptional(),
  until: z.number().exactOptional(),
});

export interface GrantStoreOptions {
  /** The files, once the credential store can be used without asking anybody. */
  readonly files: () => AuthenticFiles | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export class GrantStore {
  readonly #options: GrantStoreOptions;
  readonly #book = new GrantBook();
  #loaded: AuthenticFiles | undefined;
  #fault: WarderError | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: GrantStoreOptions) {
    this.#options = options;
  }

  /** Why the grants on disk do not count. */
  get fault(): WarderError | undefined {
    this.#load();
    return this.#fault;
  }

  find(subject: GrantSubject): Grant | undefined {
    this.#load();
    return this.#book.find(subject, this.#options.clock.now());
  }

  /** Another number each time that there are other grants. */
  get version(): number {
    this.#load();
    return this.#book.version;
  }

  all(): Grant[] {
    this.#load();
    return this.#book.all(this.#options.clock.now());
  }

  /**
   * Keeps an answer. Settles once it is on disk, if it is to be. Throws `store-unset` where it cannot be, and what
   * `fault` says. The first use of a profile holds until the daemon ends where there is no store yet.
   */
  add(subject: GrantSubject, answer: Answer, by: string): { grant: Grant; kept: Promise<unknown> } {
    const { scope } = answer;
    const now = this.#options.clock.now();
    const grant: Grant = {
      id: randomBytes(4).toString('hex'),
      made: new Date(now).toISOString(),
      by,
      ...grantOf(subject, answer),
      ...(typeof scope === 'object' && { until: now + scope.ms }),
    };
    const isUnkept =
      scope === 'session' || (subject.kind === 'profile' && this.#options.files() === undefined);
    const kept = isUnkept ? Promise.resolve() : this.#keep();
    this.#book.add(grant);
    return { grant, kept };
  }

  /** Removes one, or all. Returns those removed. Throws `daemon-version` where another daemon has them by now. */
  async revoke(id: string | undefined): Promise<Grant[]> {
    const gone = this.all().filter((candidate) => id === undefined || candidate.id === id);
    for (const { id: each } of gone) this.#book.remove(each);
    if (id === undefined) this.#fault = undefined;
    if (gone.some(({ session }) => session === undefined) || id === undefined) await this.#keepWithout();
    return gone;
  }

  /** Removes those of a profile that is no more. Returns them. */
  async revokeOf(profile: string): Promise<Grant[]> {
    const gone = this.all().filter((grant) => grant.profile === profile);
    for (const { id } of gone) this.#book.remove(id);
    if (gone.some(({ session }) => session === undefined) && this.#options.files() !== undefined)
      await this.#keepWithout();
    return gone;
  }

  /**
   * Another daemon has taken answers back: of those that outlive a daemon the ones on disk count, and no others. With `all`
   * those for a session are taken back too, and else the one with that id: returns these. `fault`: why those on disk could be
   * older than what was written last.
   */
  reread({ all, id }: { readonly all: boolean; readonly id?: string | undefined }, fault?: unknown): Grant[] {
    const gone = this.all().filter((grant) => all || grant.session === undefined || grant.id === id);
    for (const grant of gone) this.#book.remove(grant.id);
    if (fault === undefined) {
      this.#loaded = undefined;
      this.#load();
    } else this.#block(fault);
    return gone.filter((grant) => grant.session !== undefined || grant.id === id);
  }

  /** Forgets what holds no more. */
  prune(isOpen: (session: string) => boolean): void {
    this.#book.prune(this.#options.clock.now(), isOpen);
  }

  /** As `#keep`, of what is left once some were removed: on the disk they would be there for another daemon. */
  async #keepWithout(): Promise<void> {
    if (!(await this.#keep())) throw handedOver();
  }

  /** Writes all that is to outlive the daemon, after what is being written. False: another daemon writes it by now. */
  #keep(): Promise<boolean> {
    this.#load();
    const files = this.#loaded;
    if (files === undefined) {
      throw new WarderError(
        'store-unset',
        'an answer can only be kept once there is a credential store that is open',
        {
          hint: 'run "warder init" or "warder credential unlock", or answer for this session',
        },
      );
    }
    if (this.#fault !== undefined) throw this.#fault;
    const write = async (): Promise<boolean> => {
      const lasting = this.#book
        .all(this.#options.clock.now())
        .filter(({ session }) => session === undefined);
      return await files.write(FILE, `${JSON.stringify(lasting, null, 2)}\n`);
    };
    const written = this.#writing.then(write);
    this.#writing = written.then(
      () => {},
      () => {},
    );
    return written;
  }

  #load(): void {
    const files = this.#options.files();
    if (files === undefined || files === this.#loaded) return;
    this.#loaded = files;
    try {
      const text = files.read(FILE);
      for (const each of text === undefined ? [] : z.array(grant).parse(JSON.parse(text)))
        this.#book.add(each);
      this.#fault = undefined;
    } catch (error) {
      this.#block(error);
    }
  }

  #block(cause: unknown): void {
    this.#fault =
      cause instanceof WarderError
        ? cause
        : new WarderError('refused', 'the file of grants cannot be read: nothing in it counts', { cause });
    this.#options.log.error({ error: this.#fault.message }, 'no grant counts');
  }
}
