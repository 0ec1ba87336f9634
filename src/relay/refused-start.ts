// Answers the host of a session that will not be: see `wire/refused-start.ts`. What the host sends is searched, and no
// values are built of it.
import type { WarderError } from '../errors.ts';
import { batchOf } from '../json/batch.ts';
import { readEnvelope } from '../json/envelope.ts';
import { LineSplitter } from '../json/lines.ts';
import { MAX_ASKED, PATIENCE, refusedStartLine } from '../wire/refused-start.ts';
import { BUDGETS } from './budgets.ts';
import type { Endpoint } from './endpoint.ts';
import { textOfId } from './ids.ts';

/** Answers what the host asks. Settles once it has asked something, has ended its input, or after a second. */
export function answerRefusal(host: Endpoint, refusal: WarderError): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, PATIENCE);
  let answered = false;
  const answer = (bytes: Buffer, start: number, end: number): boolean => {
    const { kind, id, idStart, idEnd, isBatch } = readEnvelope(bytes, start, end);
    if (kind === 'request' && id !== undefined) {
      answered = true;
      host.write([Buffer.from(refusedStartLine(textOfId(bytes, idStart, idEnd, id), refusal))]);
    }
    return isBatch;
  };
  const lines = new LineSplitter(
    {
      line(bytes, start, end) {
        if (!answer(bytes, start, end)) return;
        for (const message of batchOf(bytes, start, end, BUDGETS.batch) ?? [])
          answer(bytes, message.start, message.end);
      },
      oversize() {},
    },
    MAX_ASKED,
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
