import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Envelope, idText, readEnvelope, readString } from '../../../src/json/envelope.ts';

const numRuns = process.env.SLOW === undefined ? 500 : 50_000;
const timeout = 120_000;

interface Seen {
  readonly method?: unknown;
  readonly id?: unknown;
  readonly params?: { readonly name?: unknown; readonly arguments?: unknown } | null;
}

function read(text: string): { bytes: Buffer; message: Envelope } {
  const bytes = Buffer.from(text);
  return { bytes, message: readEnvelope(bytes, 0, bytes.length) };
}

/** A line that is let through is what `JSON.parse` sees, in every member that decides. */
function agrees(text: string): void {
  const { bytes, message } = read(text);
  let seen: Seen | undefined;
  try {
    seen = JSON.parse(text);
  } catch {
    expect(message.fault?.code).toBe(-32700);
    return;
  }
  if (message.fault !== undefined || seen === undefined) return;
  expect(message.method).toBe(seen.method ?? '');
  // Not `toBe`: -0 and 0 are one id.
  expect(JSON.parse(idText(message.id)) === (seen.id ?? null)).toBe(true);
  const { params } = seen;
  if (typeof params === 'object' && params !== null && !Array.isArray(params)) {
    const name =
      bytes[message.nameStart] === 0x22 ? readString(bytes, message.nameStart, message.nameEnd) : undefined;
    expect(name).toBe(typeof params.name === 'string' ? params.name : undefined);
    const args =
      message.argumentsStart === -1
        ? undefined
        : JSON.parse(bytes.toString('utf8', message.argumentsStart, message.argumentsEnd));
    expect(args).toEqual(params.arguments);
  }
}

const key = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('jsonrpc', 'id', 'method', 'params', 'result', 'error', 'name', 'arguments'),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('Id', 'METHOD', 'm\\u0065thod', 'param\u017f', 'name\\u0000', '_meta', 'x'),
  },
);
const space = fc.constantFrom('', '', '', ' ', '\t', '  ');
const leaf = fc.oneof(
  fc.constantFrom(
    '1',
    '0',
    '-0',
    '1e3',
    '"2.0"',
    '"a"',
    '""',
    'null',
    'true',
    '"tools/call"',
    '"\\u0031"',
    '[]',
    '{}',
  ),
  fc.jsonValue().map((value) => JSON.stringify(value)),
);
const { object } = fc.letrec<{ object: string; value: string }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, leaf, tie('object')),
  object: fc
    .array(fc.tuple(space, key, space, tie('value')), { maxLength: 5 })
    .map(
      (members) => `{${members.map(([a, name, b, value]) => `${a}"${name}"${b}:${a}${value}`).join(',')}}`,
    ),
}));
const likely = fc
  .record({
    method: fc.constantFrom('"ping"', '"tools/call"', '"tools\\/call"', '1'),
    id: fc.oneof(
      fc.integer().map(String),
      fc.string().map((text) => JSON.stringify(text)),
      leaf,
    ),
    params: fc.oneof(object, leaf),
    rest: fc.array(fc.tuple(key, leaf), { maxLength: 2 }),
  })
  .chain(({ method, id, params, rest }) =>
    fc
      .shuffledSubarray(
        [
          '"jsonrpc":"2.0"',
          `"method":${method}`,
          `"id":${id}`,
          `"params":${params}`,
          ...rest.map(([name, value]) => `"${name}":${value}`),
        ],
        { minLength: 3 },
      )
      .map((members) => `{${members.join(',')}}`),
  );

test(
  'W-RELAY-1 what is let through is what JSON.parse sees, and what it refuses is refused',
  () => {
    fc.assert(fc.property(fc.oneof(likely, object), agrees), { numRuns });
  },
  timeout,
);

test(
  'W-RELAY-1 so it is for lines that are damaged anywhere',
  () => {
    const damage = fc.record({
      at: fc.nat(),
      cut: fc.nat({ max: 3 }),
      put: fc.constantFrom(
        '',
        '"',
        '\\',
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '\r',
        '\u0001',
        '0',
        'e',
        '.',
        '-',
        ' ',
        'é',
        'n',
      ),
    });
    fc.assert(
      fc.property(likely, fc.array(damage, { minLength: 1, maxLength: 3 }), (text, damages) => {
        let line = text;
        for (const { at, cut, put } of damages) {
          const i = at % (line.length + 1);
          line = line.slice(0, i) + put + line.slice(i + cut);
        }
        agrees(line);
      }),
      { numRuns: numRuns * 2 },
    );
  },
  timeout,
);

test(
  'W-RELAY-1 a member that decides is never there twice, however it is spelled',
  () => {
    const escaped = (name: string): fc.Arbitrary<string> =>
      fc
        .array(fc.constantFrom('as is', 'escape', 'upper'), {
          minLength: name.length,
          maxLength: name.length,
        })
        .map((ways) =>
          [...name]
            .map((letter, i) => {
              if (ways[i] === 'escape') return `\\u00${letter.charCodeAt(0).toString(16)}`;
              return ways[i] === 'upper' ? letter.toUpperCase() : letter;
            })
            .join(''),
        );
    const twice = fc
      .constantFrom('jsonrpc', 'id', 'method', 'params', 'name', 'arguments')
      .chain((name) => fc.record({ name: fc.constant(name), spelled: escaped(name), first: fc.boolean() }));
    fc.assert(
      fc.property(twice, leaf, ({ name, spelled, first }, value) => {
        const inner = { name: '"name":"echo"', arguments: '"arguments":{}' };
        const outer = { jsonrpc: '"jsonrpc":"2.0"', id: '"id":1', method: '"method":"tools/call"' };
        const extra = `"${spelled}":${value}`;
        const add = (members: string[]): string[] => (first ? [extra, ...members] : [...members, extra]);
        const innermost = Object.values(inner);
        const params = `"params":{${(name in inner ? add(innermost) : innermost).join(',')}}`;
        const members = [...Object.values(outer), params];
        const { message } = read(`{${(name in inner ? members : add(members)).join(',')}}`);
        expect(message.fault?.code).toBe(-32600);
      }),
      { numRuns },
    );
  },
  timeout,
);

test(
  'any value is passed over where JSON.parse accepts it',
  () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 20 }), fc.boolean(), (value, pretty) => {
        const result = JSON.stringify(value, null, pretty ? '\t' : undefined).replaceAll('\n', ' ');
        const { bytes, message } = read(`{"result":${result},"jsonrpc":"2.0","id":1}`);
        expect(message.fault).toBeUndefined();
        expect(bytes.toString('utf8', message.resultStart, message.resultEnd)).toBe(result);
      }),
      { numRuns },
    );
  },
  timeout,
);
