// What a session needs to hold its server to what the user has accepted of it: what it says of itself, what it lists,
// the bytes of its `ui://` resources. Whether that is as it was, and what the user has accepted, is behind this.
//
// All calls return at once: what is read of lists is given in parts that are bounded (see budgets.ts).
import type { HostDialog, OpenConsent } from './consent.ts';

/** What a server lists. Of resources only the `ui://` ones count: others come and go, and are data. */
export type ListedKind = 'tools' | 'prompts' | 'resources' | 'templates';

/** One entry of a list. */
export interface Listed {
  /** The name of a tool or prompt, the URI of a resource, the URI template. */
  readonly name: string;
  /** The JSON text of the whole entry as it came: valid JSON and UTF-8, with one member for the name. To be copied if kept. */
  readonly definition: Buffer;
}

/** What a server says of itself in `initialize` or `server/discover`; what it does not say is undefined. */
export interface Introduction {
  readonly instructions: string | undefined;
  /** Of `serverInfo`. */
  readonly title: string | undefined;
  readonly description: string | undefined;
  /** What it is beside these texts. */
  readonly identity: IntroducedIdentity;
}

/** What is no text for people, each as JSON text; undefined where it is not said. */
export interface IntroducedIdentity {
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly capabilities: string | undefined;
}

/** What one session holds its server to. */
export interface Trust {
  /** Why all of the server is held back: another executable, a record that does not verify. Undefined: it is not. */
  readonly blocked: string | undefined;

  /** What is not agreed to yet, without which nothing acts. `baseline`: all is listed first, by the relay where need be. */
  readonly firstUse: 'baseline' | 'host' | undefined;

  /**
   * While `firstUse` is `baseline`: the `ui://` resources that were listed or that a tool names, and were not read yet. The
   * relay reads them and hands them to `read` before it asks.
   */
  readonly unread: readonly string[];

  /**
   * Asks a person for what `firstUse` says, for a request with that number in the audit log, whose host may have a
   * dialog. Once for all that wait: the
   * same question is given again while it is open. It is about what was listed when it was first asked. With `deny`
   * the request is refused; with `allow` it goes on, if nothing else is to be agreed to.
   */
  ask(call: string, dialog: HostDialog | undefined): OpenConsent;

  /** Returns why what the server says of itself is held back: the host gets it without these texts. */
  introduced(said: Introduction): string | undefined;

  /**
   * A page of a list, or a part of one. `isFirst`: a new list begins; `isLast`: it is whole. Returns why which names are held
   * back; those are taken out.
   */
  listed(
    kind: ListedKind,
    entries: readonly Listed[],
    isFirst: boolean,
    isLast: boolean,
  ): ReadonlyMap<string, string>;

  /**
   * Why what a request acts on is held back: changed, new, or neither listed in this session nor recorded. Undefined: it
   * is not, or nothing is recorded yet.
   */
  held(kind: ListedKind, name: string): string | undefined;

  /** The contents of a `ui://` resource were read; `digest` is that of its canonical JSON text. Returns why it is held back. */
  read(uri: string, digest: string): string | undefined;

  /** Calls `listener` whenever what is held back may have become other than before, but for what the calls above return. */
  onChange(listener: () => void): void;
}

const NOTHING: ReadonlyMap<string, string> = new Map();

/** Holds nothing back. */
export const NO_TRUST: Trust = {
  blocked: undefined,
  firstUse: undefined,
  unread: [],
  ask: () => ({
    outcome: Promise.resolve({ decision: 'allow', rule: 'trust.none', reason: undefined }),
    notice: '',
    withdraw: () => {},
  }),
  introduced: () => undefined,
  listed: () => NOTHING,
  held: () => undefined,
  read: () => undefined,
  onChange: () => {},
};
