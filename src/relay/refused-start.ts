// A session that will not be: whatever the host has asked by then, its `initialize` or `server/discover` first of all,
// is answered with the reason, so that it is shown where a person looks and not only on standard error.
import type { WarderError } from '../errors.ts';
import type { Endpoint } from './endpoint.ts';
import { textOfId } from './ids.ts';
import { readEnvelope } from './json/envelope.ts';
import { LineSplitter } from './json/lines.ts';

/** The code of the answer: the range that JSON-RPC 2.0 leaves to implementations. `data.code` is Warder's own. */
const NOT_STARTED = -32015;
/** The longest first line, in bytes, and how long it is waited for, in milliseconds. */
const MAX_LINE = 2 ** 20;
const PATIENCE = 1000;

/** Answers what the host asks. Settles once it has asked something, has ended its input, or after a second. */
export function answerRefusal(host: Endpoint, { code, message, hint }: WarderError): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, PATIENCE);
  const data = { code, ...(hint === undefined ? {} : { hint }) };
  const error = JSON.stringify({ code: NOT_STARTED, message, data });
  let answered = false;
  const lines = new LineSplitter(
    {
      line(bytes, start, end) {
        const { kind, id, idStart, idEnd } = readEnvelope(bytes, start, end);
        if (kind !== 'request' || id === undefined) return;
        answered = true;
        const text = textOfId(bytes, idStart, idEnd, id);
        host.write([Buffer.from(`{"jsonrpc":"2.0","id":${text},"error":${error}}\n`)]);
      },
      oversize() {},
    },
    MAX_LINE,
  );
  host.listen({
    data(chunk) {
      lines.push(chunk);
      if (answered) resolve();
    },
    end() {
      lines.end();
      resolve();
    },
  });
  return promise.finally(() => clearTimeout(timer));
}
