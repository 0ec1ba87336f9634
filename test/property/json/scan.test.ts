// A long line that is scanned in parts is seen as one that is read at once, wherever the parts end.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { hasDuplicateMembers } from '../../../src/json/duplicates.ts';
import { readEnvelope } from '../../../src/json/envelope.ts';
import { isBlank } from '../../../src/json/lines.ts';
import { readMember } from '../../../src/json/read.ts';
import { LineScan, MAX_TOKEN, type Scanned, type Wanted } from '../../../src/json/scan.ts';

const numRuns = process.env.SLOW === undefined ? 1000 : 100_000;
if (process.env.SLOW !== undefined) vi.setConfig({ testTimeout: 600_000 });

const name = fc.constantFrom(
  ...['jsonrpc', 'id', 'method', 'params', 'result', 'error', 'name', 'arguments', '_meta', 'requestId'],
  ...['isError', 'task', 'resultType', 'requestState', 'inputResponses', 'status', 'tools', 'nextCursor'],
  ...['Id', 'm\\u0065thod', 'TASK', 'tas\\u006b', 'a', 'b', 'a\\"b', 'n'.repeat(1100)],
);
const space = fc.constantFrom('', '', '', ' ', '\t ', '\r');
const leaf = fc.constantFrom(
  ...[
    '1',
    '-0.5e+7',
    '"2.0"',
    '"x"',
    '""',
    'null',
    'true',
    'false',
    '"tools/call"',
    '"\\u0031\\n"',
    '[]',
    '{}',
  ],
  ...[
    '"\\x"',
    '01',
    '"a',
    'nul',
    `"${'plain text '.repeat(20)}"`,
    '9'.repeat(4097),
    '"task"',
    '"input_required"',
  ],
);
const { object, value } = fc.letrec<{ object: string; list: string; value: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 4 }, { weight: 5, arbitrary: leaf }, tie('object'), tie('list')),
  list: fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(', ')}]`),
  object: fc
    .array(fc.tuple(space, name, space, tie('value')), { maxLength: 6 })
    .map(
      (members) => `{${members.map(([a, key, b, item]) => `${a}"${key}"${b}:${a}${item}${b}`).join(',')}}`,
    ),
}));
const message = fc
  .tuple(object, object, space)
  .map(([params, result, end]) =>
    end === ''
      ? `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`
      : `{"jsonrpc":"2.0","id":1,"result":${result}}${end}`,
  );
const line = fc.oneof(
  { weight: 3, arbitrary: message },
  { weight: 2, arbitrary: fc.tuple(space, object, space).map((parts) => parts.join('')) },
  value,
  fc.string({
    unit: fc.constantFrom(' ', '\t', '\r', '{', '}', '[', ']', '"', ':', ',', '1', '\\', 'a'),
    maxLength: 12,
  }),
  fc.constantFrom('['.repeat(257), `${'['.repeat(256)}${']'.repeat(256)}`, `{"a":${'{"a":'.repeat(255)}1`),
);

function scan(bytes: Buffer, start: number, end: number, part: number): Scanned {
  const scanning = new LineScan(bytes, start, end);
  for (let until = start + part; !scanning.step(until); ) until += part;
  return scanning.result;
}

test('W-RELAY-1 a line that is scanned in parts is what it is as a whole', () => {
  fc.assert(
    fc.property(line, fc.integer({ min: 1, max: 40 }), fc.nat({ max: 3 }), (text, part, before) => {
      const bytes = Buffer.from(`${'{"x'.slice(0, before)}${text}\n"}`);
      const end = bytes.length - 3;
      const { message, isBlank: blank, find, ...twice } = scan(bytes, before, end, part);
      const whole = readEnvelope(bytes, before, end);
      expect(message).toEqual(whole);
      expect(blank).toBe(isBlank(bytes, before, end));
      if (whole.fault !== undefined) return;
      const { paramsStart, paramsEnd, argumentsStart, argumentsEnd, resultStart, resultEnd } = whole;
      const inRange = (from: number, to: number): boolean =>
        from !== -1 && hasDuplicateMembers(bytes, from, to);
      expect(twice).toEqual({
        isTwiceInParams: inRange(paramsStart, paramsEnd),
        isTwiceInArguments: inRange(argumentsStart, argumentsEnd),
      });
      const [from, to] = paramsStart === -1 ? [resultStart, resultEnd] : [paramsStart, paramsEnd];
      for (const wanted of ['_meta', 'task', 'tools', 'status', 'requestState', 'taskId'] satisfies Wanted[])
        expect([wanted, find(wanted)]).toEqual([
          wanted,
          from === -1 ? 'absent' : readMember(bytes, from, to, wanted),
        ]);
    }),
    { numRuns },
  );
});

/** Scans a line as it comes, in memory that is replaced now and then: what has not come yet is something else there. */
function follow(line: Buffer, cuts: readonly number[]): Scanned {
  let bytes = Buffer.alloc(line.length, '"');
  let reading: LineScan | undefined;
  for (const cut of cuts) {
    // It begins with a byte.
    if (cut === 0) continue;
    if (cut % 3 === 0) bytes = Buffer.alloc(line.length, '}');
    line.copy(bytes, 0, 0, cut);
    reading ??= new LineScan(bytes, 0, cut);
    reading.follow(bytes, cut);
    reading.step(cut - MAX_TOKEN);
    // What lies before is in no id, but in the one that is known.
    const { settled, idStart, idEnd } = reading;
    expect(settled).toBeLessThanOrEqual(cut);
    if (idEnd >= 0) expect(settled).toBeGreaterThanOrEqual(idEnd);
    expect(idStart < 0).toBe(idEnd < 0);
  }
  reading ??= new LineScan(line, 0, line.length);
  reading.follow(line, line.length);
  reading.step(line.length);
  return reading.result;
}

test('W-RELAY-1 a line that is scanned while it comes is what it is as a whole, wherever its memory is by then', () => {
  const padding = fc.integer({ min: 0, max: 6000 });
  fc.assert(
    fc.property(line, padding, padding, fc.array(fc.nat()), (text, before, after, random) => {
      const padded = text
        .replace(/^\{/, `{"before":"${'x'.repeat(before)}",`)
        .replace(/\}$/, `,"after":"${'y'.repeat(after)}"}`);
      const bytes = Buffer.from(padded);
      const cuts = [
        ...new Set(random.map((cut) => Math.min((cut % (bytes.length + 1)) + 1, bytes.length))),
      ].sort((a, b) => a - b);
      const { find: found, ...seen } = follow(bytes, cuts);
      const { find, ...whole } = scan(bytes, 0, bytes.length, 1000);
      expect(seen).toEqual(whole);
      for (const wanted of ['_meta', 'task', 'tools', 'status', 'requestState', 'taskId'] satisfies Wanted[])
        expect([wanted, found(wanted)]).toEqual([wanted, find(wanted)]);
    }),
    { numRuns },
  );
});
