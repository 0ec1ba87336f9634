// The two eras of the protocol. In the `session` era (up to 2025-11-25) a host opens with `initialize`, the server keeps what
// it was told, and either side sends requests. In the `stateless` era (from 2026-07-28) each request says in its `_meta` all
// there is to know of the host, and what the server wants to ask comes as an `input_required` result.
import { memberIn, type Range, readText } from '../../json/read.ts';

/** The era of a host. */
export type Era = 'session' | 'stateless';

/** What a server speaks; `sse` is the transport of 2024-11-05, which is of the session era. */
export type Wire = Era | 'sse';

/** The revisions of the session era that Warder knows, the newest first. */
export const SESSION_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;
/** The revision of the stateless era. */
export const STATELESS_VERSION = '2026-07-28';

export const INITIALIZE = 'initialize';
export const INITIALIZED = 'notifications/initialized';
export const DISCOVER = 'server/discover';
export const PING = 'ping';
export const SET_LEVEL = 'logging/setLevel';
export const SUBSCRIBE = 'resources/subscribe';
export const UNSUBSCRIBE = 'resources/unsubscribe';
export const LISTEN = 'subscriptions/listen';
export const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';
export const CANCELLED = 'notifications/cancelled';
export const PROGRESS = 'notifications/progress';
export const LOG = 'notifications/message';
export const UPDATED = 'notifications/resources/updated';
export const ELICIT = 'elicitation/create';
export const SAMPLE = 'sampling/createMessage';
export const ROOTS = 'roots/list';
export const CALL = 'tools/call';
export const LIST_TOOLS = 'tools/list';
const READ = 'resources/read';
export const COMPLETE = 'completion/complete';

/** Members of a `_meta`. */
export const VERSION = 'io.modelcontextprotocol/protocolVersion';
export const CLIENT = 'io.modelcontextprotocol/clientInfo';
export const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
export const LEVEL = 'io.modelcontextprotocol/logLevel';
export const SERVER = 'io.modelcontextprotocol/serverInfo';
export const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';
/** What a request says of its host. */
export const HOST_META = [VERSION, CLIENT, CAPABILITIES, LEVEL] as const;
/** Tasks are an extension of the stateless era, and another thing in the session era: neither is translated. */
export const TASKS = 'io.modelcontextprotocol/tasks';

/** Requests that may be answered with what the server wants to know first. */
export const ASKING: ReadonlySet<string> = new Set([CALL, 'prompts/get', READ]);
/** Requests whose results say for how long they hold. */
export const CACHEABLE: ReadonlySet<string> = new Set([
  DISCOVER,
  LIST_TOOLS,
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  READ,
]);

/** The lists that may change: the notification, the member of a filter that asks for it, and the server's capability. */
export const LISTS = [
  { changed: 'notifications/tools/list_changed', wanted: 'toolsListChanged', capability: 'tools' },
  { changed: 'notifications/prompts/list_changed', wanted: 'promptsListChanged', capability: 'prompts' },
  {
    changed: 'notifications/resources/list_changed',
    wanted: 'resourcesListChanged',
    capability: 'resources',
  },
] as const;

/** From the least to the most severe: RFC 5424, section 6.2.1. */
export const LEVELS = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
] as const;

/** How severe messages of a level are: its index in `LEVELS`; -1 for what is none. */
export function severityOf(level: string | undefined): number {
  return (LEVELS as readonly (string | undefined)[]).indexOf(level);
}

/** Ids of requests of Warder's own begin here, far beyond those of the relay. */
export const FIRST_OWN_ID = 2 ** 45;

/** The longest short text that is read of a message, in bytes of JSON text. */
const MAX_SHORT = 1024;

/** A short text; undefined for all else. */
export function shortText(bytes: Buffer, range: Range | undefined): string | undefined {
  return range === undefined ? undefined : readText(bytes, range, MAX_SHORT);
}

/** The version that a request's `_meta` names; undefined where it is none of the stateless era. */
export function versionOf(bytes: Buffer, params: Range | undefined): string | undefined {
  return shortText(bytes, memberIn(bytes, memberIn(bytes, params, '_meta'), VERSION));
}
