// The methods of MCP: what governs each and how it is recorded. There are two eras of the protocol. In the `session` era (up to 2025-11-25) a host opens with `initialize`, and either side
// sends requests. In the `stateless` era (from 2026-07-28) only the host does, and what the server wants to ask
// comes as an `input_required` result.
//
// The table follows the schemas of both eras and the tasks extension (SEP-2663). A method that is not in it is
// governed by `policy.methods`, else by the policy's default, and recorded: it may do anything.

import { hasDuplicateMembers } from '../json/duplicates.ts';
import { OPEN_ARRAY } from '../json/json.ts';
import { type Range, readElements, readMember, readText } from '../json/read.ts';
import { type Kind, MAX_NAME } from '../policy/decide.ts';

/** The method that calls a tool. */
export const CALL = 'tools/call';
/** The method that reads a resource. */
export const READ = 'resources/read';

/** The notification that takes a request back. */
export const CANCELLED = 'notifications/cancelled';

export type Sender = 'host' | 'server';

/**
 * What decides whether a message goes on. `lifecycle`: it always does. `completion`: the prompt or resource that
 * its `ref` names. `subscriptions`: the resources that it lists, and whether its tasks are of this session. `tasks`: whether the task is one of this session.
 */
export type Governance = Kind | 'completion' | 'subscriptions' | 'tasks' | 'lifecycle';

export interface Method {
  readonly form: 'request' | 'notification';
  readonly governedBy: Governance;
  /** The event of its record; undefined: it has none. */
  readonly event: 'tool.call' | 'request' | 'question' | undefined;
  /** The member of `params` that names the one thing it acts on. */
  readonly target: string | undefined;
  /** The decision where no pattern of the policy matches; undefined: the policy's default. */
  readonly unlisted: 'allow' | undefined;
}

/** What a request acts on, as `decide` takes it. */
export interface Target {
  readonly kind: Kind;
  readonly name: string;
}

/** What a request acts on, or what is wrong with its `params`. `tasks` are ids of tasks, which may be bearer tokens. */
export type Targets =
  | { readonly fault: undefined; readonly targets: readonly Target[]; readonly tasks: readonly string[] }
  | { readonly fault: string };

/** Resources, and tasks, in one `subscriptions/listen`, and the bytes of JSON text in which they are listed, at most. */
export const MAX_SUBSCRIPTIONS = 500;
export const MAX_SUBSCRIPTION_BYTES = 65_536;

/** The longest `params` in which the relay looks for what a request acts on, in bytes; those of tool calls have no bound. */
export const MAX_PARAMS = 2 ** 20;

/** The longest id of a task, in characters. */
const MAX_TASK = 1024;

function request(governedBy: Governance, rest: Partial<Method> = {}): Method {
  const event = governedBy === 'lifecycle' ? undefined : 'request';
  const plain = { target: undefined, unlisted: undefined };
  return { form: 'request', governedBy, event, ...plain, ...rest };
}

function notification(rest: Partial<Method> = {}): Method {
  return { ...request('lifecycle'), form: 'notification', ...rest };
}

const QUESTION: Method = request('methods', { event: 'question', unlisted: 'allow' });

const FROM_HOST: ReadonlyMap<string, Method> = new Map([
  ['initialize', request('lifecycle')],
  ['server/discover', request('lifecycle')],
  ['ping', request('lifecycle')],
  ['logging/setLevel', request('lifecycle')],
  ['tools/list', request('lifecycle')],
  [CALL, request('tools', { event: 'tool.call', target: 'name' })],
  ['resources/list', request('lifecycle')],
  ['resources/templates/list', request('lifecycle')],
  [READ, request('resources', { target: 'uri' })],
  ['resources/subscribe', request('resources', { target: 'uri' })],
  ['resources/unsubscribe', request('resources', { target: 'uri' })],
  ['prompts/list', request('lifecycle')],
  ['prompts/get', request('prompts', { target: 'name' })],
  ['completion/complete', request('completion')],
  ['subscriptions/listen', request('subscriptions')],
  ['tasks/list', request('tasks')],
  ['tasks/get', request('tasks', { target: 'taskId' })],
  ['tasks/result', request('tasks', { target: 'taskId' })],
  ['tasks/cancel', request('tasks', { target: 'taskId' })],
  ['tasks/update', request('tasks', { target: 'taskId' })],
  ['notifications/initialized', notification()],
  [CANCELLED, notification()],
  ['notifications/progress', notification()],
  ['notifications/roots/list_changed', notification()],
  ['notifications/tasks/status', notification()],
]);

const FROM_SERVER: ReadonlyMap<string, Method> = new Map([
  ['ping', request('lifecycle')],
  ['sampling/createMessage', QUESTION],
  ['elicitation/create', QUESTION],
  ['roots/list', QUESTION],
  ['tasks/list', QUESTION],
  ['tasks/get', QUESTION],
  ['tasks/result', QUESTION],
  ['tasks/cancel', QUESTION],
  [CANCELLED, notification()],
  ['notifications/progress', notification()],
  ['notifications/message', notification()],
  ['notifications/tools/list_changed', notification()],
  ['notifications/resources/list_changed', notification()],
  ['notifications/resources/updated', notification()],
  ['notifications/prompts/list_changed', notification()],
  ['notifications/elicitation/complete', notification()],
  ['notifications/subscriptions/acknowledged', notification()],
  ['notifications/tasks', notification()],
  ['notifications/tasks/status', notification()],
]);

const UNKNOWN_REQUEST: Method = request('methods');
const UNKNOWN_QUESTION: Method = request('methods', { event: 'question' });
/** A notification may make a server act; a host only shows it, or lets it be. */
const UNKNOWN_TO_SERVER: Method = { ...UNKNOWN_REQUEST, form: 'notification' };
const UNKNOWN_TO_HOST: Method = notification();

/**
 * The method of a message. `form` is that of the message: a request sent as a notification, or the other way
 * round, is an unknown method.
 */
export function methodOf(name: string, sender: Sender, form: Method['form']): Method {
  const known = (sender === 'host' ? FROM_HOST : FROM_SERVER).get(name);
  if (known?.form === form) return known;
  if (sender === 'host') return form === 'request' ? UNKNOWN_REQUEST : UNKNOWN_TO_SERVER;
  return form === 'request' ? UNKNOWN_QUESTION : UNKNOWN_TO_HOST;
}

const TWICE = 'a member of "params" is there twice, or spelled so that some see it twice';

/**
 * What a request acts on. `params` is the range of its `params`; undefined if it has none. With a fault the request
 * is not to go on: it cannot be said what it acts on. `isTwice`: whether `params` has a member twice, where that is known.
 */
export function readTargets(
  name: string,
  method: Method,
  bytes: Buffer,
  params: Range | undefined,
  isTwice?: boolean,
): Targets {
  const { governedBy } = method;
  if (governedBy === 'lifecycle') return targets([]);
  if (params !== undefined && (isTwice ?? hasDuplicateMembers(bytes, params.start, params.end)))
    return { fault: TWICE };
  if (params !== undefined && params.end - params.start > MAX_PARAMS && governedBy !== 'methods')
    return { fault: `"params" has more than ${MAX_PARAMS} bytes` };
  switch (governedBy) {
    case 'methods':
      return targets([{ kind: 'methods', name }]);
    case 'tasks':
      return taskOf(name, method, bytes, params);
    case 'completion':
      return completionOf(bytes, params);
    case 'subscriptions':
      return subscriptionsOf(bytes, params);
    default:
      return named(bytes, params, governedBy, method.target ?? '');
  }
}

function targets(list: readonly Target[], tasks: readonly string[] = []): Targets {
  return { fault: undefined, targets: list, tasks };
}

/** The one thing that a member names. */
function named(bytes: Buffer, within: Range | undefined, kind: Kind, member: string): Targets {
  const name = textIn(bytes, within, member, MAX_NAME[kind]);
  if (typeof name !== 'string') return name;
  return targets([{ kind, name }]);
}

function taskOf(name: string, { target }: Method, bytes: Buffer, params: Range | undefined): Targets {
  const list: Target[] = [{ kind: 'methods', name }];
  if (target === undefined) return targets(list);
  const task = textIn(bytes, params, target, MAX_TASK);
  return typeof task === 'string' ? targets(list, [task]) : task;
}

function completionOf(bytes: Buffer, params: Range | undefined): Targets {
  const ref = memberOf(bytes, params, 'ref');
  if (ref === 'ambiguous') return { fault: TWICE };
  const within = ref === 'absent' ? undefined : ref;
  const type = textIn(bytes, within, 'type', MAX_TASK);
  if (typeof type !== 'string') return type;
  if (type === 'ref/prompt') return named(bytes, within, 'prompts', 'name');
  if (type === 'ref/resource') return named(bytes, within, 'resources', 'uri');
  return { fault: '"ref" names neither a prompt nor a resource' };
}

function subscriptionsOf(bytes: Buffer, params: Range | undefined): Targets {
  const filter = memberOf(bytes, params, 'notifications');
  if (filter === 'ambiguous') return { fault: TWICE };
  const within = filter === 'absent' ? undefined : filter;
  const uris = listIn(bytes, within, 'resourceSubscriptions', MAX_NAME.resources);
  if ('fault' in uris) return uris;
  const tasks = listIn(bytes, within, 'taskIds', MAX_TASK);
  if ('fault' in tasks) return tasks;
  return targets(
    uris.names.map((name) => ({ kind: 'resources', name })),
    tasks.names,
  );
}

/** A member that is a list of texts of at most `max` characters, or the fault. */
function listIn(
  bytes: Buffer,
  within: Range | undefined,
  member: string,
  max: number,
): { readonly names: readonly string[] } | { readonly fault: string } {
  const list = memberOf(bytes, within, member);
  if (list === 'ambiguous') return { fault: TWICE };
  if (list === 'absent') return { names: [] };
  const fault = `"${member}" is not a list of strings`;
  if (bytes[list.start] !== OPEN_ARRAY) return { fault };
  if (list.end - list.start > MAX_SUBSCRIPTION_BYTES)
    return { fault: `"${member}" has more than ${MAX_SUBSCRIPTION_BYTES} bytes` };
  const names: string[] = [];
  for (const range of readElements(bytes, list.start, list.end)) {
    const name = readText(bytes, range, maxBytes(max));
    if (name === undefined) return { fault };
    if (names.push(name) > MAX_SUBSCRIPTIONS)
      return { fault: `"${member}" has more than ${MAX_SUBSCRIPTIONS} entries` };
  }
  return { names };
}

/** A member that is a text of 1 to `max` characters, or the fault. */
function textIn(
  bytes: Buffer,
  within: Range | undefined,
  member: string,
  max: number,
): string | { readonly fault: string } {
  const range = memberOf(bytes, within, member);
  if (range === 'ambiguous') return { fault: TWICE };
  const text = range === 'absent' ? undefined : readText(bytes, range, maxBytes(max));
  const fits = text !== undefined && text !== '' && text.length <= max && text.isWellFormed();
  return fits ? text : { fault: `"${member}" is not a string of 1 to ${max} characters` };
}

function memberOf(bytes: Buffer, within: Range | undefined, member: string): Range | 'absent' | 'ambiguous' {
  return within === undefined ? 'absent' : readMember(bytes, within.start, within.end, member);
}

/** JSON text of so many characters is at most so long: each may be an escape, and there are quotes. */
function maxBytes(characters: number): number {
  return 6 * characters + 2;
}
