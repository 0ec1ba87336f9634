// What a server was told once and a new one has to be told again. Up to 2025-11-25 a host opens with
// `initialize` and `notifications/initialized`, may set the level of logging, and subscribes to resources; the
// server keeps all that. From 2026-07-28 a server keeps nothing but `subscriptions/listen` requests that are
// still open: see host-requests.ts. Each request says in its `_meta` what there is to know of the host, and
// `server/discover` asks the same of the server. Which of the two a host speaks shows by what it has sent.
import { isDeepStrictEqual } from 'node:util';

/** Most subscriptions that are told again. */
const MAX_SUBSCRIPTIONS = 10_000;

/** What of a server's answer to `initialize` the host goes by. */
interface Answer {
  readonly protocolVersion: unknown;
  readonly capabilities: unknown;
  readonly name: unknown;
}

/** What of a server's answer to `server/discover` the host goes by. */
interface Discovery {
  readonly supportedVersions: unknown;
  readonly capabilities: unknown;
}

/** By this member a `_meta` is one of 2026-07-28. */
const VERSION = '"io.modelcontextprotocol/protocolVersion"';

/** What the host has told its server, as the bytes it came in. */
export class Handshake {
  /** The line of `initialize`, once it is answered. */
  #initialize: Buffer | undefined;
  #answer: Answer | undefined;
  #initialized: Buffer | undefined;
  #meta: Buffer | undefined;
  #discovery: Discovery | undefined;
  /** The `params` of the last `logging/setLevel`. */
  #level: Buffer | undefined;
  /** The `params` of each `resources/subscribe`, by URI. */
  readonly #subscriptions = new Map<string, Buffer>();

  /** The line of `initialize`; undefined if the host has not sent any, or none that was answered well. */
  get initialize(): Buffer | undefined {
    return this.#initialize;
  }

  get initialized(): Buffer | undefined {
    return this.#initialized;
  }

  /** What the host says of itself in each request; undefined if it does not. */
  get meta(): Buffer | undefined {
    return this.#meta;
  }

  /** Whether the host has said nothing yet by which to know which of the two it speaks. */
  get isUnmet(): boolean {
    return this.#meta === undefined && this.#initialize === undefined;
  }

  /** The host has sent a request with a `_meta`. */
  met(meta: Buffer): void {
    if (meta.includes(VERSION)) this.#meta = Buffer.from(meta);
  }

  /** The server has answered the host's `server/discover`. */
  discovered(result: Buffer): void {
    this.#discovery = readDiscovery(result);
  }

  /** How a new server's answer to `server/discover` differs from the one that the host knows, if it knows any. */
  discrepancy(result: Buffer): string | undefined {
    if (this.#discovery === undefined) return undefined;
    const { supportedVersions, capabilities } = readDiscovery(result);
    if (!isDeepStrictEqual(supportedVersions, this.#discovery.supportedVersions)) return OTHER_VERSION;
    return isDeepStrictEqual(capabilities, this.#discovery.capabilities) ? undefined : OTHER_CAPABILITIES;
  }

  /** The server has taken the host's `initialize`. `result` is the JSON text of its result. */
  opened(initialize: Buffer, result: Buffer): void {
    this.#initialize = initialize;
    this.#answer = readAnswer(result);
  }

  /** The host has sent `notifications/initialized`. */
  completed(line: Buffer): void {
    this.#initialized = line;
  }

  /** The server has taken a request that changes what it sends by itself. */
  told(method: string, params: Buffer): void {
    if (method === 'logging/setLevel') {
      this.#level = params;
      return;
    }
    const uri = readMember(params, 'uri');
    if (typeof uri !== 'string') return;
    if (method === 'resources/unsubscribe') this.#subscriptions.delete(uri);
    else if (this.#subscriptions.size < MAX_SUBSCRIPTIONS) this.#subscriptions.set(uri, params);
  }

  /** What a new server has yet to be told after the handshake itself. */
  *rest(): Generator<{ readonly method: string; readonly params: Buffer }> {
    if (this.#level !== undefined) yield { method: 'logging/setLevel', params: this.#level };
    for (const params of this.#subscriptions.values()) yield { method: 'resources/subscribe', params };
  }

  /** How a new server's answer to `initialize` differs from the one that the host knows; undefined: it does not. */
  difference(result: Buffer): string | undefined {
    const answer = readAnswer(result);
    if (answer.protocolVersion !== this.#answer?.protocolVersion) return OTHER_VERSION;
    if (answer.name !== this.#answer?.name) return 'has another name';
    return isDeepStrictEqual(answer.capabilities, this.#answer?.capabilities)
      ? undefined
      : OTHER_CAPABILITIES;
  }
}

/** Requests after which `Handshake.told` is to be called, if the server has taken them. */
export const TELLING: ReadonlySet<string> = new Set([
  'logging/setLevel',
  'resources/subscribe',
  'resources/unsubscribe',
]);

const OTHER_VERSION = 'speaks another version of the protocol';
const OTHER_CAPABILITIES = 'has other capabilities';

function readDiscovery(result: Buffer): Discovery {
  return {
    supportedVersions: readMember(result, 'supportedVersions'),
    capabilities: readMember(result, 'capabilities'),
  };
}

function readAnswer(result: Buffer): Answer {
  const info = readMember(result, 'serverInfo');
  return {
    protocolVersion: readMember(result, 'protocolVersion'),
    capabilities: readMember(result, 'capabilities'),
    name: typeof info === 'object' && info !== null && 'name' in info ? info.name : undefined,
  };
}

/** A member of an object in JSON text; undefined if there is none. */
function readMember(text: Buffer, name: string): unknown {
  const value: unknown = JSON.parse(text.toString());
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
