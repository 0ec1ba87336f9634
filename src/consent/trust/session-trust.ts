// What one session holds its server to. What was accepted is the profile's and is shared; what was seen is the session's.

import type { HostDialog, OpenConsent } from '../../relay/consent.ts';
import { isInterface } from '../../relay/listed-kinds.ts';
import type { IntroducedIdentity, Introduction, Listed, ListedKind, Trust } from '../../relay/trust.ts';
import { claimsOf } from './claims.ts';
import { changeOf, isSameServer, type Sighting } from './compare.ts';
import { Listing } from './listing.ts';
import { widened } from './permissions.ts';
import type { ProfileTrust } from './profile-trust.ts';
import type { Part, PartKind, Parts, Permissions, ServerIdentity, TrustRecord } from './record.ts';
import { namedResources, startsLikeTemplate } from './ui-resources.ts';

/** What a session needs beside the record. */
export interface SessionTrustParts {
  readonly trust: ProfileTrust;
  readonly permissions: Permissions;
  /** Whether the host program may use the profile. */
  readonly isHostKnown: () => boolean;
  /** The host is agreed to before the server is asked for anything in the user's name. */
  readonly isHostFirst: boolean;
  /** Whether what is not agreed to yet is taken without a question. */
  readonly isTaken: () => boolean;
  /** Whether what is seen is the server's own word, and not what was kept of it. */
  readonly isStarted: () => boolean;
  /** Asks a person. */
  readonly ask: (asking: AskingFirst) => OpenConsent;
  /** Records that something is held back, or was pinned. `name` is undefined for the server itself. */
  readonly record: (held: HeldBack) => void;
}

/** The question of a first use. */
export interface AskingFirst {
  /** The number of the request that waits for it. */
  readonly call: string;
  /** The dialog of the host, if it has one. */
  readonly dialog: HostDialog | undefined;
  readonly about: 'baseline' | 'host';
  readonly sighting: Sighting;
  /** What the profile gives in addition to what was accepted. */
  readonly wider: readonly string[];
}

/** What the log says of something that is held back. */
export interface HeldBack {
  readonly what: PartKind | 'server' | 'permissions';
  readonly name: string | undefined;
  readonly before: string | undefined;
  readonly after: string | undefined;
  readonly outcome: 'held' | 'pinned';
}

/** Names that are remembered as held back; with more of them all of the server is. */
const MAX_HELD = 50_000;
const NONE: ReadonlyMap<string, string> = new Map();

export class SessionTrust implements Trust, Disposable {
  readonly #parts: SessionTrustParts;
  #listing = new Listing();
  readonly #listeners: (() => void)[] = [];
  readonly #stop: () => void;
  #server: ServerIdentity;
  #permissions: Permissions;
  #identity: IntroducedIdentity | undefined;
  /** What follows from the record alone, and for which record it does. */
  #judged:
    | { readonly record: TrustRecord; readonly isOther: boolean; readonly wider: readonly string[] }
    | undefined;
  /** What was held back once is held back until the record is another, whatever the server lists then. */
  #heldOnce = { generation: -1, keys: new Set<string>() };
  /** That of the record which counted last. */
  #generation: number;
  #resources: { readonly record: TrustRecord; readonly named: ReadonlySet<string> } | undefined;

  constructor(server: ServerIdentity, parts: SessionTrustParts) {
    this.#server = server;
    this.#permissions = parts.permissions;
    this.#parts = parts;
    this.#generation = parts.trust.generation;
    this.#stop = parts.trust.onChange(() => this.#recordChanged());
    this.#recordServer();
  }

  /** `sha256:<hex>` that names the record. */
  get digest(): string | undefined {
    return this.#parts.trust.digest;
  }

  /** Another server process of the session runs. */
  set server(server: ServerIdentity) {
    this.#server = server;
    this.#judged = undefined;
    this.#recordServer();
    this.changed();
  }

  /** What the profile gives is other than before: another issuer's token. */
  set permissions(permissions: Permissions) {
    this.#permissions = permissions;
    this.#judged = undefined;
    this.changed();
  }

  /** What is held back may be other than before. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Whether the server may be asked for something in the user's name, for the host program. */
  get isAgreed(): boolean {
    if (this.blocked !== undefined) return false;
    return this.firstUse !== 'host' || this.#parts.isTaken();
  }

  /** What the server has said that it is. */
  get identity(): IntroducedIdentity | undefined {
    return this.#identity;
  }

  get blocked(): string | undefined {
    const { trust } = this.#parts;
    const { fault } = trust;
    if (fault !== undefined) return [fault.message, fault.hint].filter(Boolean).join('; ');
    if (this.#judge()?.isOther !== true) return undefined;
    const other = this.#permissions.sandbox === 'remote' ? 'it is another server' : 'another program runs';
    return `${other} than the one that the user has accepted: ${review(trust.profile)}`;
  }

  get firstUse(): 'baseline' | 'host' | undefined {
    const { trust, isHostKnown, isHostFirst } = this.#parts;
    if (trust.fault !== undefined) return undefined;
    if (isHostFirst && !isHostKnown()) return 'host';
    const judged = this.#judge();
    if (judged === undefined) return 'baseline';
    return judged.wider.length === 0 && isHostKnown() ? undefined : 'host';
  }

  ask(call: string, dialog: HostDialog | undefined): OpenConsent {
    const wider = this.#judge()?.wider ?? [];
    const about = this.firstUse ?? 'host';
    const open = this.#parts.ask({ call, dialog, about, sighting: this.sighting(), wider });
    void open.outcome.then(() => this.changed());
    return open;
  }

  get unread(): readonly string[] {
    const { resources, tools, contents } = this.#listing.described;
    const wanted = new Set([...resources.keys(), ...namedResources(tools.values())]);
    return [...wanted].filter((uri) => !contents.has(uri));
  }

  /** A tool as it was listed in this session, or else accepted. */
  definition(tool: string): Part | undefined {
    return this.#listing.described.tools.get(tool) ?? this.#parts.trust.record?.described.tools.get(tool);
  }

  /** What the server says of a tool, a line each, at most so long. */
  claims(tool: string): string[] {
    const part = this.definition(tool);
    return part?.text === undefined ? [] : claimsOf(part.text);
  }

  introduced(said: Introduction): string | undefined {
    this.#identity = said.identity;
    const accepted = this.#accepted();
    this.#listing.introduce(said, accepted?.introduction);
    this.#saw();
    if (accepted === undefined) return undefined;
    const held = [...this.#listing.described.introduction].filter(
      ([name, part]) => this.#hold('introduction', name, part, accepted.introduction) !== undefined,
    );
    if (held.length === 0) return undefined;
    const names = held.map(([name]) => name).join(' and ');
    return `the ${names} of the server ${held.length === 1 ? 'is' : 'are'} not what the user has accepted: ${this.#review}`;
  }

  listed(
    kind: ListedKind,
    entries: readonly Listed[],
    isFirst: boolean,
    isLast: boolean,
  ): ReadonlyMap<string, string> {
    const relevant = kind === 'resources' ? entries.filter(({ name }) => isInterface(name)) : entries;
    const accepted = this.#accepted();
    this.#listing.add(kind, relevant, [isFirst, isLast], accepted?.[kind]);
    this.#saw();
    if (accepted === undefined) return NONE;
    const held = new Map<string, string>();
    for (const { name } of relevant) {
      const reason = this.#holdSeen(kind, name, accepted[kind]);
      if (reason !== undefined) held.set(name, reason);
    }
    return held;
  }

  held(kind: ListedKind, name: string): string | undefined {
    const accepted = this.#accepted();
    if (accepted === undefined || (kind === 'resources' && !isInterface(name))) return undefined;
    if (this.#listing.described[kind].has(name)) return this.#holdSeen(kind, name, accepted[kind]);
    if (accepted[kind].has(name) || (kind === 'resources' && this.#isNamed(name)))
      return this.#heldBefore(kind, name);
    return `it is not among what the user has accepted of the server: ${this.#review}`;
  }

  read(uri: string, digest: string): string | undefined {
    if (!isInterface(uri)) return undefined;
    const { trust, record } = this.#parts;
    const isKept = this.#listing.read(uri, digest);
    const current = trust.record;
    if (current === undefined) return undefined;
    this.#saw();
    const part: Part = { digest, text: undefined };
    if (!isKept) return `the server has more resources than are told apart: ${this.#review}`;
    const { contents } = current.described;
    if (contents.has(uri) || this.blocked !== undefined) return this.#hold('contents', uri, part, contents);
    trust.pin(uri, part);
    // The log names the record that has it.
    record({ what: 'contents', name: uri, before: undefined, after: digest, outcome: 'pinned' });
    return undefined;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** What was seen so far, as it is now. */
  sighting(): Sighting {
    return { seen: this.#listing.copy(), server: this.#server, permissions: this.#permissions };
  }

  [Symbol.dispose](): void {
    this.#stop();
    this.#listeners.length = 0;
    this.#parts.trust.keepSighting();
    this.#parts.trust.keepPinned();
  }

  /** The record may be another: what was kept of the server before that says nothing of it. */
  #recordChanged(): void {
    const { trust, isStarted } = this.#parts;
    if (trust.generation !== this.#generation && !isStarted()) this.#listing = new Listing();
    this.#generation = trust.generation;
    this.changed();
  }

  get #review(): string {
    return review(this.#parts.trust.profile);
  }

  #accepted(): TrustRecord['described'] | undefined {
    return this.#parts.trust.record?.described;
  }

  /** What has been seen is what people are shown, by reference: the session goes on to see. */
  #saw(): void {
    const { trust, isStarted } = this.#parts;
    if (isStarted()) trust.saw({ seen: this.#listing, server: this.#server, permissions: this.#permissions });
  }

  #judge() {
    const { trust } = this.#parts;
    const { record } = trust;
    if (record === undefined) return undefined;
    if (this.#judged?.record !== record) {
      this.#judged = {
        record,
        isOther: !isSameServer(record.server, this.#server),
        wider: widened(record.permissions, this.#permissions),
      };
    }
    return this.#judged;
  }

  #holdSeen(kind: PartKind, name: string, accepted: Parts): string | undefined {
    const part = this.#listing.described[kind].get(name);
    if (part === undefined) return `the server lists more than can be told apart: ${this.#review}`;
    return this.#hold(kind, name, part, accepted);
  }

  #hold(kind: PartKind, name: string, part: Part, accepted: Parts): string | undefined {
    const change = changeOf(accepted, name, part);
    if (change === undefined) return this.#heldBefore(kind, name);
    if (this.#keysHeldOnce.size < MAX_HELD && this.#parts.isStarted())
      this.#keysHeldOnce.add(keyOf(kind, name));
    const before = accepted.get(name)?.digest;
    this.#parts.record({ what: kind, name, before, after: part.digest, outcome: 'held' });
    this.#parts.trust.keepSightingSoon();
    return change === 'added'
      ? `it is new since the user has accepted the server: ${this.#review}`
      : `it has changed since the user has accepted it: ${this.#review}`;
  }

  get #keysHeldOnce(): Set<string> {
    const { generation } = this.#parts.trust;
    if (this.#heldOnce.generation !== generation) this.#heldOnce = { generation, keys: new Set() };
    return this.#heldOnce.keys;
  }

  /** Why something is held back that is as it was accepted. */
  #heldBefore(kind: PartKind, name: string): string | undefined {
    const once = this.#keysHeldOnce;
    return once.has(keyOf(kind, name)) || once.size >= MAX_HELD
      ? `it was another in this session: ${this.#review}`
      : undefined;
  }

  /** Whether a `ui://` resource is named by what was accepted, though the server lists it nowhere. */
  #isNamed(uri: string): boolean {
    const { record } = this.#parts.trust;
    if (record === undefined) return false;
    if (this.#resources?.record !== record)
      this.#resources = { record, named: namedResources(record.described.tools.values()) };
    if (this.#resources.named.has(uri)) return true;
    return [...record.described.templates.keys()].some((template) => startsLikeTemplate(uri, template));
  }

  #recordServer(): void {
    const judged = this.#judge();
    if (judged?.isOther !== true) return;
    const name = this.#server.files.map(({ path }) => path).join(' ');
    this.#parts.record({
      what: 'server',
      name,
      before: digestsOf(judged.record.server),
      after: digestsOf(this.#server),
      outcome: 'held',
    });
  }
}

function keyOf(kind: PartKind, name: string): string {
  return `${kind} ${name}`;
}

function digestsOf({ files }: ServerIdentity): string {
  return files.map(({ digest }) => digest ?? 'system').join(' ');
}

/** What the user can do. */
function review(profile: string): string {
  return `"warder trust diff ${profile}" shows it, "warder trust accept ${profile}" accepts it`;
}
