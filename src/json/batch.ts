// Batches of JSON-RPC 2.0, section 6, which MCP had in 2025-03-26 alone. The relay takes them apart: each message in
// one is decided on, and answered, by itself.
import { type Range, readElements } from './read.ts';

/** The messages of a batch; undefined if they are more than `limit`, or none. */
export function batchOf(bytes: Buffer, start: number, end: number, limit: number): Range[] | undefined {
  const messages: Range[] = [];
  for (const message of readElements(bytes, start, end)) {
    if (messages.push(message) > limit) return undefined;
  }
  return messages.length === 0 ? undefined : messages;
}
