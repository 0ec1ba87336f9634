// Lines that are messages, with any of their bytes changed, cut or doubled: whatever reaches the server is a message.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { join } from '../../fixtures/ends.ts';

const runs = { numRuns: process.env.SLOW === undefined ? 1500 : 200_000 };
vi.setConfig({ testTimeout: process.env.SLOW === undefined ? 60_000 : 1_800_000 });

const MESSAGES = [
  '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":"\\u00e9\\n"}}}',
  '{"jsonrpc":"2.0","id":"a","method":"ping"}',
  '{"jsonrpc":"2.0","method":"notifications/initialized","params":{"x":[1,-2.5e3,true,null]}}',
  '{"jsonrpc":"2.0","id":7,"result":{"content":[]}}',
  '[{"jsonrpc":"2.0","id":2,"method":"ping"}]',
];

/** One edit of a line: at a place, so many bytes are replaced by others. */
const edit = fc.record({
  at: fc.nat(200),
  cut: fc.nat(4),
  put: fc.oneof(
    fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom(...'{}[]",:\\0e.\r\t'.split(''), '"id":3,', '"method":"x",', '\\"', 'null')
      .map(Buffer.from),
  ),
});

const line = fc.tuple(fc.constantFrom(...MESSAGES), fc.array(edit, { maxLength: 3 })).map(([text, edits]) => {
  let bytes: Buffer = Buffer.from(text);
  for (const { at, cut, put } of edits) {
    const start = at % (bytes.length + 1);
    bytes = Buffer.concat([bytes.subarray(0, start), put, bytes.subarray(start + cut)]);
  }
  return bytes;
});

/** The names of the members of a JSON object itself, each as often as it is there. */
function ownNames(text: string): string[] {
  const names: string[] = [];
  let depth = 0;
  let last = '';
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if ('{['.includes(token)) depth++;
    else if ('}]'.includes(token)) depth--;
    else if (token === ':' && depth === 1) names.push(JSON.parse(last));
    last = token;
  }
  return names;
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

test('W-RELAY-3 whatever a host sends, the server is sent messages of JSON-RPC 2.0 and nothing else, a line each', () => {
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 4 }), (lines) => {
      const { host, server } = join();
      host.raw(Buffer.concat(lines.flatMap((bytes) => [bytes, Buffer.from('\n')])));
      const sent = strict.decode(Buffer.concat(server.writes.map((bytes) => Buffer.from(bytes))));
      if (sent !== '') expect(sent.endsWith('\n')).toBe(true);
      for (const text of sent.split('\n').slice(0, -1)) {
        // A line may end as those of Windows do.
        expect(text).not.toMatch(/\r.|\ufeff/);
        const message = JSON.parse(text) as Record<string, unknown>;
        expect(message.jsonrpc).toBe('2.0');
        if ('id' in message) expect(typeof message.id).toMatch(/^(?:number|string)$/);
        if ('method' in message) expect(message.method).toBeTypeOf('string');
        else expect('result' in message !== 'error' in message && 'id' in message).toBe(true);
        const routed = ownNames(text).filter((name) => /^(?:jsonrpc|id|method|params)$/.test(name));
        expect(new Set(routed).size).toBe(routed.length);
      }
    }),
    runs,
  );
});
