// Which tools of a server of the session era work as tasks alone, by its last lists (2025-11-25).
import { memberIn, type Range, readElements, readText, whole } from '../../json/read.ts';
import { shortText } from './protocol.ts';

/** Names that are remembered, and the longest in bytes of JSON text. */
const MAX_TOOLS = 10_000;
const MAX_NAME = 6200;

export class TaskTools {
  readonly #names = new Set<string>();

  /** The server has listed tools; `result` is where that is. */
  note(bytes: Buffer, result: Range): void {
    const tools = memberIn(bytes, result, 'tools');
    if (tools === undefined) return;
    for (const tool of readElements(bytes, tools.start, tools.end)) {
      const found = memberIn(bytes, tool, 'name');
      const name = found === undefined ? undefined : readText(bytes, found, MAX_NAME);
      if (name === undefined) continue;
      const support = shortText(bytes, memberIn(bytes, memberIn(bytes, tool, 'execution'), 'taskSupport'));
      if (support !== 'required') this.#names.delete(name);
      else if (this.#names.size < MAX_TOOLS) this.#names.add(name);
    }
  }

  /** Whether a call has to be made as a task. `capabilities`: what the server offers. */
  has(name: string, capabilities: Buffer): boolean {
    if (!this.#names.has(name)) return false;
    const requests = memberIn(capabilities, memberIn(capabilities, whole(capabilities), 'tasks'), 'requests');
    return memberIn(capabilities, memberIn(capabilities, requests, 'tools'), 'call') !== undefined;
  }
}
