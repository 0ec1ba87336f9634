// Any token in any answer that names it: in JSON of any depth and layer, in a form, in XML, in UTF-8 or UTF-16, in a body
// of any type, cut anywhere, is sealed before the server has a byte of it; what is no token stays.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { type IssuedToken, IssuedTokens } from '../../../src/credential/issued-tokens.ts';
import { ResponseSealer } from '../../../src/credential/redact.ts';
import { cpuTimeOf } from '../../fixtures/cpu-time.ts';

const runs = { numRuns: process.env.SLOW ? 20_000 : 200 };
vi.setConfig({ testTimeout: process.env.SLOW ? 600_000 : 60_000 });

const SURE = [
  ...['access_token', 'refresh_token', 'id_token', 'accessToken', 'refreshToken', 'idToken', 'Access-Token'],
  ...['client_secret', 'device_code', 'registration_access_token', 'session_token', 'api_token', 'authToken'],
];
const name = fc.constantFrom(...SURE, 'token', 'jwt', 'ticket');
const token = fc.oneof(
  fc.stringMatching(/^[a-z]{3}_[A-Za-z0-9]{20,60}$/),
  fc.stringMatching(/^[A-Za-z0-9_.~+/=-]{24,80}$/).filter((value) => /[A-Z].*\d|\d.*[A-Z]/.test(value)),
  fc.base64String({ minLength: 24, maxLength: 80 }).filter((value) => /[A-Z].*\d|\d.*[A-Z]/.test(value)),
);
/** A token of any characters, which JSON escapes. */
const odd = fc
  .tuple(fc.string({ unit: 'grapheme', maxLength: 12 }), token)
  .map(([text, token]) => `${text}${token}`)
  .filter((value) => value.isWellFormed() && !value.includes('\0'));

const onTooLong = (): never => {
  throw new Error('too long');
};

const space = fc.constantFrom('', ' ', '\n    ', '\t', '\r\n');
const filler = fc.dictionary(
  fc.stringMatching(/^[a-z]{1,12}$/).filter((key) => !['token', 'jwt', 'ticket'].includes(key)),
  fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.integer(),
    fc.constant(null),
    fc.array(fc.string({ maxLength: 5 })),
  ),
  { maxKeys: 4 },
);

interface Answer {
  readonly text: string;
  readonly token: string;
}

const json = fc
  .tuple(name, odd, filler, filler, fc.nat(3), fc.nat(3), space)
  .map(([name, token, before, after, depth, layers, space]): Answer => {
    let value: object = { ...before, [name]: token, ...after };
    for (let level = 0; level < depth; level++)
      value = level % 2 === 0 ? { data: value } : { list: [1, value] };
    let text = JSON.stringify(value).replaceAll('":"', `"${space}:${space}"`);
    for (let layer = 0; layer < layers; layer++) text = JSON.stringify({ body: text });
    return { text, token };
  })
  // A text of the filler may be changed by the spaces; the token must not be.
  .filter(({ token }) => !token.includes('":"'));
const form = fc
  .tuple(name, odd, fc.constantFrom('', 'a=1&', '{"url":"https://x.test/cb?', 'state=x&scope=a+b&'))
  .map(
    ([name, token, before]): Answer => ({
      text: `${before}${new URLSearchParams({ [name]: token })}&x=1`,
      token,
    }),
  );
const xml = fc.tuple(name, token, fc.constantFrom('', 'sts:'), fc.constantFrom('', ' type="x"')).map(
  ([name, token, prefix, attributes]): Answer => ({
    text: `<r><${prefix}${name}${attributes}>${token}</${prefix}${name}></r>`,
    token,
  }),
);
const event = json.map(
  ({ text, token }): Answer => ({ text: `event: message\ndata: ${text.replaceAll('\n', ' ')}\n\n`, token }),
);
const answer = fc.oneof(json, form, xml, event);

type Charset = 'utf8' | 'utf16le' | 'utf16be';
function encode(text: string, charset: Charset): Buffer {
  if (charset === 'utf8') return Buffer.from(text);
  const bytes = Buffer.from(`\ufeff${text}`, 'utf16le');
  return charset === 'utf16le' ? bytes : bytes.swap16();
}

function read(body: Buffer, cuts: readonly number[], members: readonly string[] = ['ticket']) {
  const found: IssuedToken[] = [];
  const tokens = new IssuedTokens(members, { onToken: (token) => void found.push(token), onTooLong });
  const places = [...cuts.map((cut) => cut % (body.length + 1)).sort((a, b) => a - b), body.length];
  const pieces: { length: number; known: number }[] = [];
  const passed: Buffer[] = [];
  let done = 0;
  for (const place of places) {
    passed.push(tokens.push(body.subarray(done, place)));
    done = place;
    pieces.push({ length: passed.reduce((sum, { length }) => sum + length, 0), known: found.length });
  }
  passed.push(tokens.flush());
  return { found, pieces, passed: Buffer.concat(passed) };
}

const cuts = fc.array(fc.nat(3000), { maxLength: 12 });

test('[W-SEAL-6] a token is known before a byte of it has passed, whatever the answer looks like and wherever it is cut', () => {
  fc.assert(
    fc.property(answer, cuts, ({ text, token }, cuts) => {
      const body = Buffer.from(text);
      const { found, pieces, passed } = read(body, cuts);
      expect(passed.equals(body)).toBe(true);
      expect(found.map(({ value }) => value)).toContain(token);
      const first = found.findIndex(({ value }) => value === token);
      // Where the value begins, at the latest: its first eight characters that need no escape.
      const core = /[A-Za-z0-9_]{8,}/.exec(token)?.[0] ?? token;
      const at = body.indexOf(core);
      for (const { length, known } of pieces)
        if (at >= 0 && length > at) expect(known).toBeGreaterThan(first);
    }),
    runs,
  );
});

test('[W-SEAL-6] and the search that follows removes it, in UTF-8 and in UTF-16', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.tuple(name, fc.stringMatching(/^[a-z]{3}_[A-Za-z0-9]{20,60}$/)).map(([name, token]) => ({
          text: JSON.stringify({ scope: 'é ü', [name]: token, more: [1] }),
          token,
        })),
        xml.filter(({ token }) => token.replace(/[^A-Za-z0-9]/g, '').length >= 16),
      ),
      fc.constantFrom<Charset>('utf8', 'utf16le', 'utf16be'),
      cuts,
      ({ text, token }, charset, cuts) => {
        const body = encode(text, charset);
        const { found } = read(body, cuts);
        expect(found.map(({ value }) => value)).toContain(token);
        const sealer = new ResponseSealer([{ value: token, placeholder: 'sealed-placeholder-0123' }]);
        const flow = sealer.transform(false);
        const out = Buffer.concat([...flow.push(body), ...flow.flush()]);
        const shown = out.toString('latin1').replaceAll('\0', '');
        expect(shown).not.toContain(token);
        expect(shown).toContain('sealed-placeholder-0123');
      },
    ),
    runs,
  );
});

test('[W-SEAL-6] nothing else is taken for a token', () => {
  const word = fc.constantFrom('bearer', 'next', 'the token', 'postgres', 'hello world');
  fc.assert(
    fc.property(filler, word, cuts, (filler, word, cuts) => {
      const body = Buffer.from(
        JSON.stringify({
          ...filler,
          token_type: word,
          tokens: 3,
          token: word,
          next_token: 'ab12CD34ef56GH78',
        }),
      );
      expect(read(body, cuts).found).toEqual([]);
    }),
    runs,
  );
});

test('[W-EGR-10] [W-EGR-7] hostile text is read in time in proportion to it, and a token without end is refused', () => {
  const pieces = [
    '"',
    '\\',
    '"a',
    '"token',
    '"token":',
    "'a':'",
    'access_token=',
    '<',
    '<token ',
    '%',
    '\\"token\\":\\"',
    '"\0',
  ];
  for (const piece of pieces) {
    const time = (length: number): number => {
      const data = Buffer.from(piece.repeat(Math.ceil(length / piece.length)));
      return cpuTimeOf(() => {
        const tokens = new IssuedTokens([], { onToken: () => {}, onTooLong });
        try {
          for (let at = 0; at < data.length; at += 16_384) tokens.push(data.subarray(at, at + 16_384));
        } catch {}
      });
    };
    time(50_000);
    expect(time(800_000)).toBeLessThan(16 * time(100_000) + 100_000);
  }
  const endless = new IssuedTokens([], { onToken: () => {}, onTooLong });
  endless.push(Buffer.from('{"access_token":"'));
  expect(() => {
    for (let count = 0; count < 100; count++) endless.push(Buffer.alloc(1024, 'x'));
  }).toThrow('too long');
});
