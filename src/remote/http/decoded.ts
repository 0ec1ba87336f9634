// A response's body without its content coding, as it comes. What decodes to far more than it is ends with an error: some
// bytes must not keep the daemon busy with gigabytes.
import type { IncomingMessage } from 'node:http';
import { pipeline, type Readable, Transform } from 'node:stream';
import { createDecoder, parseContentEncoding } from '../../egress/content-coding.ts';
import { badAnswer } from './problem.ts';

/** Bytes that may come of anything, and how many times its length may come beyond that. */
const FREE = 2 ** 20;
const RATIO = 200;

/** What is asked for. */
export const ACCEPT_ENCODING = 'gzip, deflate, br, zstd';

/** The decoded body; `named` is its `Content-Encoding`. Throws where its coding is not known. */
export function decodedBody(url: URL, response: IncomingMessage, named: string | null): Readable {
  if (named === null) return response;
  const coding = parseContentEncoding(named);
  if (coding === undefined) throw badAnswer(url, 'encodes its answer in a way that was not asked for');
  const decoder = createDecoder(coding);
  if (decoder === undefined) return response;
  let came = 0;
  let decoded = 0;
  const count = new Transform({
    transform(chunk: Buffer, _, done) {
      came += chunk.length;
      done(null, chunk);
    },
  });
  const limit = new Transform({
    transform(chunk: Buffer, _, done) {
      decoded += chunk.length;
      if (decoded > FREE + came * RATIO) done(badAnswer(url, 'answers with a decompression bomb'));
      else done(null, chunk);
    },
  });
  return pipeline(response, count, decoder, limit, () => {});
}
