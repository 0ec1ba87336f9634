// What a host is answered while no request may go to the server: from what is known of it, else that there is a tool by
// which to sign in. Nobody is asked for any of this. What acts is not answered here.
import { memberIn } from '../../json/read.ts';
import type { OfflineRecord } from '../../relay/offline-record.ts';
import { serverForOther } from '../era/capabilities.ts';
import { type Incoming, notification, paramsOf, result } from '../era/messages.ts';
import { EMPTY, json, objectOf, textOf } from '../era/objects.ts';
import {
  ACKNOWLEDGED,
  COMPLETE,
  DISCOVER,
  type Era,
  INITIALIZE,
  LISTEN,
  LISTS,
  PING,
  SERVER,
  SESSION_VERSIONS,
  SET_LEVEL,
  STATELESS_VERSION,
  SUBSCRIBE,
  SUBSCRIPTION,
  shortText,
  UNSUBSCRIBE,
} from '../era/protocol.ts';
import { resultForSession, resultForStateless } from '../era/results.ts';
import { signInTool } from './sign-in-tool.ts';

type Kind = 'tools' | 'prompts' | 'resources' | 'templates';

/** Each list: the member of its result, and the part of the record. */
const ENTRIES: ReadonlyMap<string, { readonly member: string; readonly kind: Kind }> = new Map([
  ['tools/list', { member: 'tools', kind: 'tools' }],
  ['prompts/list', { member: 'prompts', kind: 'prompts' }],
  ['resources/list', { member: 'resources', kind: 'resources' }],
  ['resources/templates/list', { member: 'resourceTemplates', kind: 'templates' }],
]);

/** Requests that are answered here. */
const ANSWERED: ReadonlySet<string> = new Set([
  INITIALIZE,
  DISCOVER,
  PING,
  SET_LEVEL,
  SUBSCRIBE,
  UNSUBSCRIBE,
  LISTEN,
  COMPLETE,
  ...ENTRIES.keys(),
]);

export interface OfflineParts {
  readonly era: Era;
  readonly profile: string;
  /** The host of the server's URL. */
  readonly host: string;
  readonly record: OfflineRecord | undefined;
}

/** The result of a list without entries; undefined of what is none. */
export function emptyList(era: Era, method: string): Buffer | undefined {
  const entries = ENTRIES.get(method);
  if (entries === undefined) return undefined;
  const plain = json({ [entries.member]: [] });
  return era === 'session' ? plain : resultForStateless(method, plain);
}

/** Whether a request can be answered without the server. */
export function isAnsweredOffline(method: string): boolean {
  return ANSWERED.has(method);
}

export class OfflineAnswers {
  readonly #parts: OfflineParts;
  #used = false;

  constructor(parts: OfflineParts) {
    this.#parts = parts;
  }

  /** Whether the host was told something that the server has not said. */
  get isUsed(): boolean {
    return this.#used;
  }

  /** Whether the host may have been shown the tool by which to sign in. */
  get showsTool(): boolean {
    return this.#used && this.#parts.record === undefined;
  }

  /** The message with which a request is answered, for a subscription the one that acknowledges it. */
  to(id: number, { json: line, envelope }: Incoming): Buffer {
    this.#used = true;
    const { method } = envelope;
    const params = paramsOf(envelope);
    if (method === LISTEN) {
      const filter = memberIn(line, params, 'notifications');
      const acknowledged = objectOf({
        _meta: json({ [SUBSCRIPTION]: id }),
        notifications: filter === undefined ? EMPTY : textOf(line, filter),
      });
      return notification(ACKNOWLEDGED, acknowledged);
    }
    const plain = this.#plain(method, shortText(line, memberIn(line, params, 'protocolVersion')));
    const { era } = this.#parts;
    const value = era === 'session' ? resultForSession(method, plain) : resultForStateless(method, plain);
    return result(id, value ?? plain);
  }

  #plain(method: string, asked: string | undefined): Buffer {
    const entries = ENTRIES.get(method);
    if (entries !== undefined) return this.#list(entries.member, entries.kind);
    if (method === COMPLETE) return json({ completion: { values: [] } });
    if (method === DISCOVER) {
      const meta = objectOf({ [SERVER]: this.#info() });
      return objectOf({
        supportedVersions: json([STATELESS_VERSION]),
        ...this.#introduction(),
        _meta: meta,
      });
    }
    if (method !== INITIALIZE) return EMPTY;
    const version = SESSION_VERSIONS.find((known) => known === asked) ?? SESSION_VERSIONS[0];
    return objectOf({ protocolVersion: json(version), ...this.#introduction(), serverInfo: this.#info() });
  }

  #introduction(): { capabilities: Buffer; instructions: Buffer | undefined } {
    const { record } = this.#parts;
    const { capabilities, instructions } = record ?? {};
    return {
      capabilities: capabilities === undefined ? MINIMAL : serverForOther(Buffer.from(capabilities)),
      instructions: instructions === undefined ? undefined : Buffer.from(instructions),
    };
  }

  #info(): Buffer {
    const { record, profile } = this.#parts;
    const said = record?.serverInfo;
    return said === undefined ? json({ name: profile, version: '0' }) : Buffer.from(said);
  }

  #list(member: string, kind: Kind): Buffer {
    const { record, host } = this.#parts;
    const own = kind === 'tools' ? [signInTool(host).toString()] : [];
    return objectOf({ [member]: Buffer.from(`[${(record?.[kind] ?? own).join(',')}]`) });
  }
}

/** What any server may turn out to have. */
const MINIMAL = json(Object.fromEntries(LISTS.map(({ capability }) => [capability, { listChanged: true }])));
