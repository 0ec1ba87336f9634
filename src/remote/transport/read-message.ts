// What a message is: read in slices where it is long, so that nobody waits for it.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { batchOf } from '../../json/batch.ts';
import { type Envelope, readEnvelope } from '../../json/envelope.ts';
import { LineScan } from '../../json/scan.ts';

/** Bytes that are read in one turn of the event loop. */
const SLICE = 2 ** 20;
/** Messages of a batch (2025-03-26), and its bytes: it is taken apart in one turn. */
const MAX_BATCH = 1000;
const MAX_BATCH_BYTES = 4 * SLICE;

/** The envelope of a message, which is one line. */
export async function readMessage(json: Buffer): Promise<Envelope> {
  if (json.length <= SLICE) return readEnvelope(json, 0, json.length);
  const scan = new LineScan(json, 0, json.length);
  for (let until = SLICE; !scan.step(until); until += SLICE) await nextTurn();
  return scan.result.message;
}

/** The messages of a batch; the text itself where it is none. */
export function messagesOf(json: Buffer): readonly Buffer[] {
  if (json.length > MAX_BATCH_BYTES || json[json.findIndex((byte) => byte > 0x20)] !== 0x5b) return [json];
  return (
    batchOf(json, 0, json.length, MAX_BATCH)?.map(({ start, end }) => json.subarray(start, end)) ?? [json]
  );
}
