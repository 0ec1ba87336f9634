// Any secret is removed, in any encoding; everything else stays unchanged.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { Redactor } from '../../../src/credential/redact.ts';

const runs = { numRuns: process.env.SLOW ? 20_000 : 150 };
vi.setConfig({ testTimeout: process.env.SLOW ? 600_000 : 60_000 });

/** Secrets of every kind: tokens, passphrases, keys with line breaks, and text of odd characters only. */
const secret = fc
  .oneof(
    fc.stringMatching(/^[A-Za-z0-9_-]{8,60}$/),
    fc.stringMatching(/^[A-Za-z0-9+/]{8,60}={0,2}$/),
    fc.stringMatching(/^[a-z]{3,8}( [a-z]{3,8}){1,5}$/),
    fc.string({ unit: 'grapheme-ascii', minLength: 8, maxLength: 40 }),
    fc.string({ unit: 'grapheme', minLength: 8, maxLength: 40 }),
    fc.string({
      unit: fc.constantFrom('"', '\\', '/', '\n', '%', '+', ' ', 'u', '0', 'n', 'é'),
      minLength: 8,
      maxLength: 20,
    }),
  )
  // A lone surrogate has no UTF-8 form; a secret of structural characters only cannot be told from JSON's structure.
  .filter((value) => value.isWellFormed() && value.length >= 8 && /[^\s[\]{},:"]/.test(value));

const upper = (hex: string): string => hex.toUpperCase();
const escapes = (text: string, pick: RegExp, write: (code: string) => string): string =>
  text.replace(pick, (unit) => write(unit.charCodeAt(0).toString(16).padStart(4, '0')));
const entities = (text: string, pick: RegExp, write: (point: number) => string): string =>
  text.replace(pick, (unit) => write(unit.codePointAt(0) ?? 0));

/** Every encoding that is promised. */
const forms: { readonly [name: string]: (value: string) => string } = {
  raw: (value) => value,
  'URL, upper case': (value) => encodeURIComponent(value),
  'URL, lower case': (value) =>
    encodeURIComponent(value).replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase()),
  'URL, all': (value) =>
    encodeURIComponent(value).replace(/[!'()*~]/g, (one) => `%${upper(one.charCodeAt(0).toString(16))}`),
  form: (value) => new URLSearchParams({ v: value }).toString().slice(2),
  JSON: (value) => JSON.stringify(value).slice(1, -1),
  'JSON in JSON': (value) => JSON.stringify(JSON.stringify(value)).slice(3, -3),
  'JSON in JSON in JSON': (value) => JSON.stringify(JSON.stringify(JSON.stringify(value))).slice(7, -7),
  'JSON, ASCII': (value) => escapes(JSON.stringify(value).slice(1, -1), /[^ -~]/g, (code) => `\\u${code}`),
  'JSON, ASCII, upper case': (value) =>
    escapes(JSON.stringify(value).slice(1, -1), /[^ -~]/g, (code) => `\\u${upper(code)}`),
  'JSON, for HTML': (value) => escapes(JSON.stringify(value).slice(1, -1), /[<>&']/g, (code) => `\\u${code}`),
  'JSON, slashes': (value) => JSON.stringify(value).slice(1, -1).replaceAll('/', '\\/'),
  'JSON, every character': (value) => escapes(value, /[\s\S]/g, (code) => `\\u${code}`),
  'URL, twice': (value) => encodeURIComponent(encodeURIComponent(value)),
  'form, twice': (value) => encodeURIComponent(new URLSearchParams({ v: value }).toString().slice(2)),
  'URL, every byte': (value) => Buffer.from(value).toString('hex').replace(/../g, '%$&'),
  'URL, every byte, twice': (value) => upper(Buffer.from(value).toString('hex')).replace(/../g, '%25$&'),
  hex: (value) => Buffer.from(value).toString('hex'),
  'hex, upper case': (value) => upper(Buffer.from(value).toString('hex')),
  HTML: (value) => entities(value, /[&<>"']/gu, (point) => NAMED.get(point) ?? `&#${point};`),
  'HTML, PHP': (value) =>
    entities(value, /[&<>"']/gu, (point) => (point === 39 ? '&#039;' : (NAMED.get(point) ?? ''))),
  'HTML, numbers': (value) => entities(value, /[^A-Za-z0-9]/gu, (point) => `&#${point};`),
  'HTML, hex': (value) => entities(value, /[^A-Za-z0-9]/gu, (point) => `&#x${upper(point.toString(16))};`),
  'HTML, every character': (value) => entities(value, /[\s\S]/gu, (point) => `&#x${point.toString(16)};`),
};
const NAMED = new Map([
  [38, '&amp;'],
  [60, '&lt;'],
  [62, '&gt;'],
  [34, '&quot;'],
]);
const form = fc.constantFrom(...Object.keys(forms));

/** Text around a secret, without a backslash, percent sign or ampersand that would change its first characters. */
const around = fc
  .string({ unit: 'grapheme', maxLength: 30 })
  .filter((text) => text.isWellFormed() && !/[\\%&]/.test(text));

test('W-CRED-1 a secret is removed from any text, in any encoding', () => {
  fc.assert(
    fc.property(secret, form, around, around, (value, name, before, after) => {
      const written = forms[name]?.(value) ?? '';
      const redactor = new Redactor([{ name: 'demo/TOKEN', value }]);
      const redacted = redactor.text(`x ${before}${written}${after}`);
      expect(redacted.includes(written)).toBe(false);
    }),
    runs,
  );
});

test('W-CRED-1 the base64 of a text with a secret reveals nothing of the secret', () => {
  fc.assert(
    fc.property(
      secret,
      fc.uint8Array({ maxLength: 7 }),
      fc.uint8Array({ maxLength: 7 }),
      fc.constantFrom('base64', 'base64url'),
      (value, before, after, alphabet) => {
        const redactor = new Redactor([{ name: 'demo/TOKEN', value }]);
        const coded = Buffer.concat([before, Buffer.from(value), after]).toString(alphabet as 'base64');
        const redacted = redactor.text(`= ${coded} =`);
        expect(redacted).toContain('[redacted:demo/TOKEN]');
        // The first and the last character of a secret may share a base64 character with their neighbours.
        const left = redacted.slice(2, -2).replace('[redacted:demo/TOKEN]', '');
        expect(left.length).toBeLessThanOrEqual(
          coded.length - Math.floor(((Buffer.byteLength(value) - 1) * 8) / 6) + 1,
        );
      },
    ),
    runs,
  );
});

test('W-CRED-1 the base64 of a base64 text with a secret reveals nothing of the secret', () => {
  const alphabet = fc.constantFrom<'base64' | 'base64url'>('base64', 'base64url');
  fc.assert(
    fc.property(
      secret,
      fc.uint8Array({ maxLength: 7 }),
      fc.uint8Array({ maxLength: 7 }),
      fc.stringMatching(/^[a-z:]{0,4}$/),
      alphabet,
      alphabet,
      (value, before, after, prefix, inner, outer) => {
        const once = Buffer.concat([before, Buffer.from(value), after]).toString(inner);
        const coded = Buffer.from(`${prefix}${once}`).toString(outer);
        expect(new Redactor([{ name: 'demo/TOKEN', value }]).text(`= ${coded} =`)).toContain(
          '[redacted:demo/TOKEN]',
        );
      },
    ),
    runs,
  );
});

test('W-CRED-1 base64 that is broken into lines reveals nothing of a token', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9_-]{16,80}$/),
      fc.uint8Array({ maxLength: 90 }),
      fc.constantFrom(60, 64, 76),
      fc.constantFrom('\n', '\r\n', '\\n', '\\r\\n', '\\\\n'),
      (value, before, length, line) => {
        const coded = Buffer.concat([before, Buffer.from(value)]).toString('base64');
        const broken = coded.replace(new RegExp(`.{${length}}`, 'g'), `$&${line}`);
        const left = new Redactor([{ name: 'T', value }]).text(`= ${broken} =`).split('[redacted:T]');
        expect(left.length).toBe(2);
        expect(left.join('').replaceAll(line, '').length).toBeLessThanOrEqual(
          4 + coded.length - Math.floor(((value.length - 1) * 8) / 6) + 1,
        );
      },
    ),
    runs,
  );
});

test('W-CRED-2 a stream is redacted like the whole text, wherever it is cut', () => {
  fc.assert(
    fc.property(
      fc.array(secret, { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(around, form, fc.nat(2)), { maxLength: 5 }),
      around,
      fc.array(fc.nat(400), { maxLength: 12 }),
      (values, parts, end, cuts) => {
        const secrets = values.map((value, index) => ({ name: `n${index}`, value }));
        const data = Buffer.from(
          `x${parts.map(([before, name, index]) => before + (forms[name]?.(values[index] ?? '') ?? '')).join('')}${end}`,
        );
        const whole = new Redactor(secrets).stream();
        const expected = Buffer.concat([...whole.push(data), ...whole.flush()]).toString();
        const stream = new Redactor(secrets).stream();
        const out: Buffer[] = [];
        let done = 0;
        for (const cut of [...cuts.sort((a, b) => a - b), data.length]) {
          out.push(...stream.push(data.subarray(done, Math.max(done, cut))));
          done = Math.max(done, Math.min(cut, data.length));
        }
        out.push(...stream.flush());
        expect(Buffer.concat(out).toString()).toBe(expected);
        for (const value of values) expect(expected.includes(value)).toBe(false);
      },
    ),
    runs,
  );
});

test('W-CRED-3 a JSON line stays JSON, and everything else in it stays unchanged', () => {
  const json = fc.jsonValue({ maxDepth: 3 });
  fc.assert(
    fc.property(secret, json, json, fc.boolean(), (value, one, other, ascii) => {
      const redactor = new Redactor([{ name: 'demo/TOKEN', value }]);
      const message = {
        one,
        at: `before ${value} after`,
        [`key ${value}`]: { inner: JSON.stringify({ value }) },
        other,
      };
      let line = JSON.stringify(message);
      if (ascii) line = escapes(line, /[^ -~]/g, (code) => `\\u${code}`);
      const redacted = redactor.redact(Buffer.from(line)).toString();
      const read = JSON.parse(redacted);
      expect(redacted.includes(JSON.stringify(value).slice(1, -1))).toBe(false);
      expect(JSON.stringify(read).includes(JSON.stringify(value).slice(1, -1))).toBe(false);
      const clean = (part: unknown): boolean =>
        !new Redactor([{ name: 'x', value }]).text(JSON.stringify(part)).includes('[redacted');
      if (clean(one)) expect(read.one).toEqual(JSON.parse(JSON.stringify(one)));
      if (clean(other)) expect(read.other).toEqual(JSON.parse(JSON.stringify(other)));
    }),
    runs,
  );
});

test('W-CRED-3 any JSON line stays JSON, whatever the secret is', () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), fc.nat(60), (text, from, length) => {
      const line = Buffer.from(
        `{"a":${text},"b":"${'\\u0041\\n\\"'.repeat(3)}","c":[12345678901,-1.5e10,true,null]}`,
      );
      const start = from % line.length;
      const value = line.toString('latin1', start, start + 8 + length);
      const redacted = new Redactor([{ name: 'T', value }]).redact(line);
      expect(() => JSON.parse(redacted.toString())).not.toThrow();
    }),
    runs,
  );
});

test('W-CRED-40 names, numbers and ids of a message never change; no text keeps a secret', () => {
  const word = fc.constantFrom('postgres', '12345678', 'x7Kp2mQ9-Zt4', 'password1');
  const part = (value: string) => fc.constantFrom(value, `a ${value} b`, 'text', '');
  const number = fc.constantFrom(3123456789, 12345678, 1.5, 0);
  const drawn = word.chain((value) =>
    fc.tuple(
      fc.constant(value),
      fc.constantFrom('postgres', 'tool', '12345678'),
      fc.dictionary(fc.constantFrom('postgres', 'a', '12345678', 'name'), fc.oneof(part(value), number)),
      part(value),
      number,
    ),
  );
  fc.assert(
    fc.property(drawn, ([value, name, structuredContent, text, id]) => {
      const before = {
        jsonrpc: '2.0',
        id,
        result: {
          tools: [{ name, description: text }],
          structuredContent,
          content: [{ type: 'text', text }],
        },
      };
      const redacted = new Redactor([{ name: 'T', value }]).message(Buffer.from(JSON.stringify(before)));
      expect('line' in redacted).toBe(true);
      const clean = (part: unknown): unknown =>
        typeof part === 'string' ? part.replaceAll(value, '[redacted:T]') : part;
      expect('line' in redacted ? JSON.parse(redacted.line.toString()) : undefined).toEqual({
        ...before,
        result: {
          tools: [{ name, description: clean(text) }],
          structuredContent: Object.fromEntries(
            Object.entries(structuredContent).map(([key, part]) => [key, clean(part)]),
          ),
          content: [{ type: 'text', text: clean(text) }],
        },
      });
    }),
    runs,
  );
});

test('W-CRED-40 any JSON line stays JSON with the same names, whatever the secret is', () => {
  const shape = (part: unknown): unknown =>
    typeof part === 'string'
      ? ''
      : Array.isArray(part)
        ? part.map(shape)
        : part !== null && typeof part === 'object'
          ? Object.entries(part).map(([name, value]) => [name, shape(value)])
          : part;
  fc.assert(
    fc.property(fc.json(), fc.nat(), fc.nat(60), (text, from, length) => {
      const line = Buffer.from(
        `{"a":${text},"b":"${'\\u0041\\n\\"'.repeat(3)}","c":[12345678901,-1.5e10,true]}`,
      );
      const start = from % line.length;
      const value = line.toString('latin1', start, start + 8 + length);
      const redacted = new Redactor([{ name: 'T', value }]).message(line);
      if ('line' in redacted)
        expect(shape(JSON.parse(redacted.line.toString()))).toEqual(shape(JSON.parse(line.toString())));
    }),
    runs,
  );
});

test('data without a secret is returned as the same object', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9]{20,40}$/), fc.json(), (value, text) => {
      fc.pre(!text.includes(value));
      const line = Buffer.from(text);
      expect(new Redactor([{ name: 'T', value }]).redact(line)).toBe(line);
    }),
    runs,
  );
});
