// The tools of a server by what of a call is repeated in headers, learnt from the lists that pass. A tool whose annotations
// break the rules is taken out of them: what the specification demands, so that one bad definition does not spoil the others.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Range, readElements, readMember, readText } from '../../json/read.ts';
import { splice } from '../../json/splice.ts';
import type { Log } from '../../os/log.ts';
import { type ParamHeader, paramHeaders, paramHeadersOf } from './param-headers.ts';

/** Tools that are remembered, and the longest name in bytes. */
const MAX_TOOLS = 10_000;
const MAX_NAME = 1024;

const ANNOTATION = Buffer.from('x-mcp-header');
const ESCAPE = Buffer.from('\\u');
const COMMA = Buffer.from(',');

export class ToolHeaders {
  readonly #tools = new Map<string, readonly ParamHeader[]>();
  readonly #log: Log;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Of a `tools/call`; a string says why it cannot be sent. */
  headersFor(tool: string, json: Buffer): Record<string, string> | string {
    return paramHeaders(json, this.#tools.get(tool) ?? []);
  }

  /** Reads the response to `tools/list`, and returns it without the tools that break the rules. `result` is its result. */
  async read(json: Buffer, result: Range): Promise<Buffer> {
    const list = readMember(json, result.start, result.end, 'tools');
    if (typeof list === 'string') return json;
    const kept: Buffer[] = [];
    let count = 0;
    for (const tool of readElements(json, list.start, list.end)) {
      if (++count % 100 === 0) await nextTurn();
      if (this.#learn(json, tool)) kept.push(COMMA, json.subarray(tool.start, tool.end));
    }
    if (kept.length === 2 * count) return json;
    const by = [Buffer.from('['), ...kept.slice(1), Buffer.from(']')];
    const edited = splice(json, 0, json.length, [{ ...list, by }]);
    for (;;) {
      const step = edited.next();
      if (step.done === true) return step.value;
      await nextTurn();
    }
  }

  /** False: the tool is not to be offered. */
  #learn(json: Buffer, tool: Range): boolean {
    const text = json.subarray(tool.start, tool.end);
    const member = readMember(json, tool.start, tool.end, 'name');
    const name = typeof member === 'string' ? undefined : readText(json, member, MAX_NAME);
    if (name !== undefined) this.#tools.delete(name);
    if (!text.includes(ANNOTATION) && !text.includes(ESCAPE)) return true;
    const found = paramHeadersOf(schemaIn(text));
    const headers =
      found.length > 0 && this.#tools.size >= MAX_TOOLS ? `there are more than ${MAX_TOOLS}` : found;
    if (typeof headers === 'string') {
      this.#log.warn({ tool: name ?? '', reason: headers }, 'a tool is left out of the list');
      return false;
    }
    if (headers.length === 0) return true;
    if (name !== undefined) this.#tools.set(name, headers);
    return true;
  }
}

function schemaIn(tool: Buffer): unknown {
  try {
    return JSON.parse(tool.toString()).inputSchema;
  } catch {
    return undefined;
  }
}
