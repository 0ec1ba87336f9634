// A host for one trial: starts a server through `warder run`, initializes it, lists its tools, and ends it.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { SIGN_IN_TOOL } from '../../wire/sign-in-tool.ts';
import { TRIAL_CLIENT } from '../../wire/trial-client.ts';
import type { HostEntry } from '../profile/host-entry.ts';

const PROTOCOL = '2025-06-18';

/** Milliseconds for each answer of a server that is tried. */
export const TRIAL_TIMEOUT = 60_000;

/** How much of a server's stderr is kept, in characters. */
const MAX_STDERR = 256 * 1024;

/** How many pages of tools are read at most. */
const MAX_PAGES = 100;

/** How often the lists are read, if the server says that they have changed, and milliseconds in which it may. */
const MAX_ROUNDS = 4;
const SETTLE = 300;

/** Milliseconds for a server to end after its input was closed, before it is sent SIGTERM. */
const END_TIMEOUT = 10_000;

/** A tool, as its server describes it: nothing of it is known to be true. */
export interface ListedTool {
  readonly name: string;
  readonly title: string | undefined;
  readonly description: string | undefined;
  /** `readOnlyHint`, `destructiveHint`, `idempotentHint` and `openWorldHint`, those that are booleans. */
  readonly annotations: Readonly<Record<string, boolean>>;
}

/** What a server did. */
export interface Trial {
  /** The name and version that it reports. */
  readonly server: { readonly name: string; readonly version: string } | undefined;
  /** Its tools, as it lists them; undefined if it did not. */
  readonly tools: readonly ListedTool[] | undefined;
  /** Why it was not initialized, or did not list its tools. */
  readonly error: string | undefined;
  readonly stderr: string;
  /** How `warder run` ended; null if a signal ended it. */
  readonly code: number | null;
}

interface Capabilities {
  readonly tools?: unknown;
  readonly prompts?: unknown;
  readonly resources?: unknown;
}

interface Message {
  readonly id?: unknown;
  readonly method?: string;
  readonly result?: {
    readonly serverInfo?: { readonly name?: unknown; readonly version?: unknown };
    readonly capabilities?: Capabilities;
    readonly tools?: readonly unknown[];
    readonly nextCursor?: unknown;
    readonly content?: unknown;
    readonly isError?: unknown;
  };
  readonly error?: { readonly message?: unknown };
}

/** Milliseconds for a person to agree, and to sign in. */
const PERSON_TIMEOUT = 10 * 60_000;

/** Opens a remote server that lists nothing of its own yet. */
export interface Opening {
  /** Makes the call about which a person is asked; settles when it was answered. */
  readonly call: () => Promise<void>;
  /** Whether it still lists nothing of its own. */
  readonly isClosed: () => Promise<boolean>;
}

/**
 * Tries a server. `timeout` is for each answer, in milliseconds. `open`: has a person agree that a remote server is used;
 * without it that is an error. `signal` ends the trial. Never rejects.
 */
export async function tryServer(
  entry: HostEntry,
  timeout: number,
  open?: (opening: Opening) => Promise<void>,
  signal?: AbortSignal,
): Promise<Trial> {
  const child = spawn(entry.command, [...entry.args], {
    env: { ...process.env, ...entry.env },
    stdio: 'pipe',
    ...(signal && { signal }),
  });
  const connection = new Connection(child, timeout);
  let server: Trial['server'];
  let tools: ListedTool[] | undefined;
  let error: string | undefined;
  try {
    const { serverInfo, capabilities } = await connection.request('initialize', {
      protocolVersion: PROTOCOL,
      // As most hosts do: some servers have more tools for such.
      capabilities: { roots: { listChanged: true }, sampling: {}, elicitation: {} },
      clientInfo: { name: TRIAL_CLIENT, version: '1' },
    });
    server = { name: String(serverInfo?.name ?? ''), version: String(serverInfo?.version ?? '') };
    connection.send({ method: 'notifications/initialized' });
    const isClosed = async (): Promise<boolean> =>
      capabilities?.tools !== undefined && isSignInOnly(await listTools(connection));
    if (await isClosed()) {
      if (open === undefined) throw new Error(UNASKED);
      let refusal: string | undefined;
      const call = async (): Promise<void> => {
        refusal = await callSignIn(connection);
      };
      await open({ call, isClosed });
      // What it lists may be seen even where it was not accepted yet.
      if (refusal !== undefined && (await isClosed())) throw new Error(refusal);
    }
    // Some servers add tools once they are initialized.
    for (let round = 0, seen = -1; round < MAX_ROUNDS && seen !== connection.listChanges; round++) {
      seen = connection.listChanges;
      tools = capabilities?.tools === undefined ? [] : await listTools(connection);
      await listRest(connection, capabilities);
      await delay(SETTLE);
    }
  } catch (cause) {
    error = cause instanceof Error ? cause.message : String(cause);
  }
  child.stdin.end();
  const waiting = new AbortController();
  const stopped = delay(END_TIMEOUT, undefined, { signal: waiting.signal }).then(
    () => child.kill('SIGTERM'),
    () => {},
  );
  const code = await connection.ended;
  waiting.abort();
  await stopped;
  return { server, tools, error, stderr: connection.stderr, code };
}

const UNASKED =
  'nobody has agreed yet that this program uses the server: run it in a terminal, where you are asked';

/** Whether a remote server is not asked yet: Warder lists its own tool, by which it is opened. */
function isSignInOnly(tools: readonly ListedTool[]): boolean {
  return tools.length === 1 && tools[0]?.name === SIGN_IN_TOOL;
}

/** Returns why it is not open, in words. */
async function callSignIn(connection: Connection): Promise<string | undefined> {
  const { content, isError } = await connection.request(
    'tools/call',
    { name: SIGN_IN_TOOL, arguments: {} },
    PERSON_TIMEOUT,
  );
  if (isError !== true) return undefined;
  const text = Array.isArray(content) ? (content[0] as { text?: unknown } | undefined)?.text : undefined;
  return typeof text === 'string' ? text : 'it could not be opened';
}

/** Nothing is read of these here: what the daemon sees of them is what the user can accept. Some servers have no templates. */
async function listRest(connection: Connection, capabilities: Capabilities = {}): Promise<void> {
  const methods = [
    ...(capabilities.prompts === undefined ? [] : ['prompts/list']),
    ...(capabilities.resources === undefined ? [] : ['resources/list', 'resources/templates/list']),
  ];
  for (const method of methods) await listAll(connection, method).catch(() => {});
}

async function listTools(connection: Connection): Promise<ListedTool[]> {
  const pages = await listAll(connection, 'tools/list');
  return pages.flatMap(({ tools = [] }) => tools.map(readTool));
}

async function listAll(connection: Connection, method: string): Promise<NonNullable<Message['result']>[]> {
  const pages: NonNullable<Message['result']>[] = [];
  let cursor: unknown;
  for (let page = 0; page < MAX_PAGES; page++) {
    const result = await connection.request(method, cursor === undefined ? {} : { cursor });
    pages.push(result);
    if (result.nextCursor === undefined || result.nextCursor === null) break;
    cursor = result.nextCursor;
  }
  return pages;
}

function readTool(tool: unknown): ListedTool {
  const { name, title, description, annotations } = (tool ?? {}) as Record<string, unknown>;
  const claims = (annotations ?? {}) as Record<string, unknown>;
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  return {
    name: String(name),
    title: text(title) ?? text(claims.title),
    description: text(description),
    annotations: Object.fromEntries(
      HINTS.flatMap((hint) => (typeof claims[hint] === 'boolean' ? [[hint, claims[hint]]] : [])),
    ),
  };
}

const HINTS = ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'] as const;

/** JSON-RPC over the pipes of a process. Requests of the server are answered with an error, a `ping` with a result. */
class Connection {
  readonly ended: Promise<number | null>;
  stderr = '';
  /** How often the server has said that a list is another. */
  listChanges = 0;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #timeout: number;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #ids = 0;

  constructor(child: ChildProcessWithoutNullStreams, timeout: number) {
    this.#child = child;
    this.#timeout = timeout;
    this.ended = new Promise((resolve) => {
      child.on('error', () => resolve(null));
      child.on('close', (code) => resolve(code));
    });
    child.stdin.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-MAX_STDERR);
    });
    createInterface({ input: child.stdout }).on('line', (line) => this.#receive(line));
  }

  send(message: object): void {
    this.#child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  }

  /** Sends a request. Throws the answer's error, and if the process ends or does not answer in time. */
  async request(
    method: string,
    params: object,
    timeout = this.#timeout,
  ): Promise<NonNullable<Message['result']>> {
    const id = ++this.#ids;
    const timer = new AbortController();
    const answered = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    this.send({ id, method, params });
    try {
      const answer = await Promise.race([
        answered,
        this.ended.then(async () => {
          // An answer may have been the last thing that it wrote.
          await delay(0);
          throw new Error('the server ended before it answered');
        }),
        delay(timeout, undefined, { signal: timer.signal }).then(() => {
          throw new Error(`no answer to ${method} in ${timeout / 1000} s`);
        }),
      ]);
      if (answer.result !== undefined) return answer.result;
      throw new Error(String(answer.error?.message ?? `${method} has an invalid answer`));
    } finally {
      timer.abort();
      this.#waiting.delete(id);
    }
  }

  #receive(line: string): void {
    let message: Message;
    try {
      message = JSON.parse(line);
    } catch {
      return;
    }
    const { id, method } = message;
    if (/^notifications\/\w+\/list_changed$/.test(method ?? '')) this.listChanges++;
    if (method === undefined) this.#waiting.get(Number(id))?.(message);
    else if (id !== undefined && method === 'ping') this.send({ id, result: {} });
    else if (id !== undefined) this.send({ id, error: { code: -32601, message: 'method not found' } });
  }
}
