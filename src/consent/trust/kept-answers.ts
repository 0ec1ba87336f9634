// What the server of one profile has answered its hosts to what asks only what it is and what it offers: with it the next
// session is begun without the server (relay/recorded-answers.ts). It is no part of what is accepted, and what is
// answered from it is held to that. It is in a file that only Warder can have written, and counts for the profile's file as it was then.
import * as z from 'zod';
import type { Clock } from '../../os/clock.ts';
import type { Log } from '../../os/log.ts';
import type { AnswerStore, RecordedAnswers } from '../../relay/recorded-answers.ts';
import type { AuthenticFiles } from '../store/authentic-files.ts';

export interface KeptAnswersOptions {
  readonly profile: string;
  readonly files: () => AuthenticFiles | 'locked' | 'unset';
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Log;
}

/** Hosts whose answers are kept. */
const MAX_HOSTS = 8;
/** Milliseconds after which what was kept is written. */
const DELAY = 500;
/** A server that does not know `server/discover` may be a newer one the next day. Milliseconds. */
const REFUSED_FOR = 86_400_000;

const keptFile = z.strictObject({
  version: z.literal(1),
  /** SHA-256 of the profile's file. */
  profile: z.string(),
  /** The server cannot be started late. */
  eager: z.boolean(),
  hosts: z.array(
    z.tuple([
      z.string(),
      z.strictObject({
        /** The record that counted then. */
        record: z.string().nullable(),
        introduction: z.string().nullable(),
        lists: z.array(z.tuple([z.string(), z.array(z.string())])),
        refused: z.strictObject({ code: z.number().int(), at: z.number() }).optional(),
      }),
    ]),
  ),
});

/** What a host was answered, and the digest of the record of what was accepted then, if there was one. */
export interface KeptHost {
  readonly record: string | undefined;
  readonly answers: RecordedAnswers;
  /** When the server has refused to say what it is, in Unix milliseconds. */
  readonly refusedAt?: number | undefined;
}

/**
 * What is kept once a session has brought `answers`. Clients of 2026-07-28 ask for the introduction in one session and for the
 * lists in the next: what a session has not asked for at all stays. Where another record counts now, whoever reads this compares
 * all of it with that.
 */
function joined(before: KeptHost, answers: RecordedAnswers, record: string | undefined): KeptHost {
  const introduction = answers.introduction ?? before.answers.introduction;
  const lists = answers.lists.size > 0 ? answers.lists : before.answers.lists;
  const isOwn = introduction === answers.introduction && lists === answers.lists;
  return { record: isOwn || before.record === record ? record : undefined, answers: { introduction, lists } };
}

export class KeptAnswers {
  readonly #options: KeptAnswersOptions;
  #loaded: AuthenticFiles | 'locked' | 'unset' | undefined;
  #profile = '';
  #isEager = false;
  /** The host that was answered last is the last. */
  #hosts = new Map<string, KeptHost>();
  #writing: NodeJS.Timeout | undefined;

  constructor(options: KeptAnswersOptions) {
    this.#options = options;
  }

  /** Whether a session for the profile's file of that digest may begin without its server. */
  areKnown(digest: string): boolean {
    this.#load();
    return this.#profile === digest && !this.#isEager && this.#hosts.size > 0;
  }

  /** What a host is answered. `digest` is that of the profile's file. */
  of(digest: string, host: string): KeptHost | undefined {
    this.#load();
    const found = this.#profile === digest ? this.#hosts.get(host) : undefined;
    if (found?.refusedAt === undefined) return found;
    const age = this.#options.clock.now() - found.refusedAt;
    return age >= 0 && age < REFUSED_FOR ? found : undefined;
  }

  /** Keeps what sessions of a profile's file are answered. `record` gives the digest of the record that counts. */
  store(digest: string, record: () => string | undefined): AnswerStore {
    return {
      keep: (host, answers) => {
        this.#begin(digest);
        const before = this.#hosts.get(host);
        const next = this.#next(before, answers, record());
        const isKnown =
          before !== undefined && next.refusedAt === undefined && isSame(before.answers, next.answers);
        if (isKnown && before.record === next.record) return;
        this.#hosts.delete(host);
        this.#hosts.set(host, isKnown ? { ...next, answers: before.answers } : next);
        for (const [oldest] of this.#hosts) {
          if (this.#hosts.size <= MAX_HOSTS) break;
          this.#hosts.delete(oldest);
        }
        this.#changed();
      },
    };
  }

  /** The server is not as it was: the next session starts it at once. */
  forget(): void {
    this.#load();
    if (this.#hosts.size === 0 && !this.#isEager) return;
    this.#hosts.clear();
    this.#isEager = false;
    this.#changed();
  }

  /** The server cannot be started late: sessions of the profile's file start it at once. */
  isEager(digest: string): void {
    this.#begin(digest);
    this.#isEager = true;
    this.#changed();
  }

  /** Writes what is not written yet. */
  flush(): void {
    if (this.#writing === undefined) return;
    clearTimeout(this.#writing);
    this.#writing = undefined;
    const files = this.#loaded;
    if (typeof files !== 'object') return;
    const hosts = [...this.#hosts].map(([host, kept]) => [host, toFile(kept)]);
    const kept = { version: 1, profile: this.#profile, eager: this.#isEager, hosts };
    try {
      files.writeUnnumbered(fileOf(this.#options.profile), JSON.stringify(kept));
    } catch (error) {
      this.#warn(error, 'what a server offers is not kept');
    }
  }

  #next(before: KeptHost | undefined, answers: RecordedAnswers, record: string | undefined): KeptHost {
    // What it said before it refused to say what it is counts no more.
    if (answers.refused !== undefined) return { record, answers, refusedAt: this.#options.clock.now() };
    return before === undefined || before.refusedAt !== undefined
      ? { record, answers }
      : joined(before, answers, record);
  }

  #begin(digest: string): void {
    this.#load();
    if (this.#profile === digest) return;
    this.#profile = digest;
    this.#isEager = false;
    this.#hosts.clear();
  }

  #changed(): void {
    this.#writing ??= setTimeout(() => this.flush(), DELAY);
    this.#writing.unref();
  }

  #load(): void {
    const files = this.#options.files();
    if (files === this.#loaded) return;
    this.#loaded = files;
    if (typeof files !== 'object') return;
    try {
      const text = files.read(fileOf(this.#options.profile));
      if (text === undefined) return;
      const { profile, eager, hosts } = keptFile.parse(JSON.parse(text));
      this.#profile = profile;
      this.#isEager = eager;
      this.#hosts = new Map(
        hosts.map(([host, { record, introduction, lists, refused }]) => [
          host,
          {
            record: record ?? undefined,
            answers: {
              introduction: introduction ?? undefined,
              lists: new Map(lists),
              ...(refused !== undefined && { refused: refused.code }),
            },
            refusedAt: refused?.at,
          },
        ]),
      );
    } catch (error) {
      this.#warn(error, 'what a server offers is not known: it is started at once');
    }
  }

  #warn(error: unknown, message: string): void {
    this.#options.log.warn({ profile: this.#options.profile, error: String(error) }, message);
  }
}

function isSame(one: RecordedAnswers, other: RecordedAnswers): boolean {
  return (
    one.introduction === other.introduction &&
    one.lists.size === other.lists.size &&
    [...one.lists].every(([method, pages]) => {
      const others = other.lists.get(method);
      return others?.length === pages.length && pages.every((page, index) => page === others[index]);
    })
  );
}

function toFile({ record, answers, refusedAt }: KeptHost): object {
  const { introduction, lists, refused } = answers;
  return {
    record: record ?? null,
    introduction: introduction ?? null,
    lists: [...lists],
    ...(refused !== undefined && refusedAt !== undefined && { refused: { code: refused, at: refusedAt } }),
  };
}

/** The name of a profile has no dot. */
function fileOf(profile: string): string {
  return `trust/${profile}.answers.json`;
}
