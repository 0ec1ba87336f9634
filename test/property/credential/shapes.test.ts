// What honest programs make of a secret when they echo it: other encodings of its bytes, another case, other separators,
// only its password. Nothing of it is left, wherever the text is cut, and the placeholder stands there instead.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { ResponseSealer } from '../../../src/credential/redact.ts';
import { base32Core } from '../../../src/credential/search/encodings.ts';
import { secretParts } from '../../../src/credential/secret-parts.ts';
import { isGuessable } from '../../../src/credential/strength.ts';
import { isUnsearchable } from '../../../src/egress/http/content-coding.ts';

const runs = { numRuns: process.env.SLOW ? 10_000 : 200 };
vi.setConfig({ testTimeout: process.env.SLOW ? 600_000 : 60_000 });

const PLACEHOLDER = 'sealed-ABCdef0123456789xyz';
const token = fc.stringMatching(/^[a-z]{3}_[A-Za-z0-9]{13,40}$/);
const any = fc.oneof(
  token,
  fc.stringMatching(/^[A-Za-z0-9_+/=.~-]{12,60}$/),
  fc.string({ unit: 'grapheme', minLength: 8, maxLength: 30 }).filter((value) => value.isWellFormed()),
);
const cuts = fc.array(fc.nat(2000), { maxLength: 10 });

function sealed(value: string, text: string, cuts: readonly number[]): string {
  const flow = new ResponseSealer([{ value, placeholder: PLACEHOLDER }]).transform(false);
  const data = Buffer.from(text);
  const out: Buffer[] = [];
  let done = 0;
  for (const cut of [...cuts.map((cut) => cut % (data.length + 1)).sort((a, b) => a - b), data.length]) {
    out.push(...flow.push(data.subarray(done, cut)));
    done = cut;
  }
  return Buffer.concat([...out, ...flow.flush()]).toString();
}

/** RFC 4648, 6, written anew. */
function base32(bytes: Uint8Array): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups
    .map((group) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(group.padEnd(5, '0'), 2)])
    .join('');
}

test('[W-SEAL-3] base32, wherever the secret begins in it', () => {
  fc.assert(
    fc.property(
      any,
      fc.uint8Array({ maxLength: 6 }),
      fc.uint8Array({ maxLength: 6 }),
      cuts,
      (value, before, after, cuts) => {
        const bytes = Buffer.concat([before, Buffer.from(value), after]);
        const core = base32Core(Buffer.from(value), before.length % 5);
        const text = base32(bytes);
        expect(text).toContain(core);
        const out = sealed(value, `(${text})`, cuts);
        expect(out).not.toContain(core);
        expect(out).toContain(PLACEHOLDER);
      },
    ),
    runs,
  );
});

test('[W-SEAL-3] base32 in small letters, and in lines', () => {
  fc.assert(
    fc.property(token, fc.integer({ min: 4, max: 64 }), cuts, (value, width, cuts) => {
      const lines =
        base32(Buffer.from(value))
          .toLowerCase()
          .match(new RegExp(`.{1,${width}}`, 'g')) ?? [];
      const out = sealed(value, `(${lines.join('\n')})`, cuts);
      expect(out).toMatch(new RegExp(`^\\(${PLACEHOLDER}\\n?[a-z2-7]?\\)$`));
    }),
    runs,
  );
});

test('[W-SEAL-3] the numbers of its bytes, as JSON.stringify writes a buffer and Python a list', () => {
  fc.assert(
    fc.property(
      any,
      fc.uint8Array({ maxLength: 5 }),
      fc.uint8Array({ maxLength: 5 }),
      fc.boolean(),
      cuts,
      (value, before, after, spaced, cuts) => {
        const data = [...before, ...Buffer.from(value), ...after];
        const text = JSON.stringify({ type: 'Buffer', data });
        const out = sealed(value, spaced ? text.replaceAll(',', ', ') : text, cuts);
        const shown = JSON.parse(out).data as number[];
        expect(Buffer.from(shown).includes(value)).toBe(false);
        expect(Buffer.from(shown).toString('latin1')).toContain(PLACEHOLDER);
      },
    ),
    runs,
  );
});

test('[W-SEAL-1] [W-SEAL-3] how much of such a list is held back does not reveal whether it begins the secret', () => {
  fc.assert(
    fc.property(token, fc.nat(), fc.constantFrom(',', ', '), (value, length, separator) => {
      const right = Buffer.from(value.slice(0, 3 + (length % (value.length - 3))));
      const wrong = Buffer.from(right);
      wrong[wrong.length - 1] = (wrong[wrong.length - 1] ?? 0) === 0x51 ? 0x52 : 0x51;
      const held = (bytes: Buffer): number => {
        const flow = new ResponseSealer([{ value, placeholder: PLACEHOLDER }]).transform(false);
        const text = Buffer.from(`text [${bytes.join(separator)}${separator}`);
        return text.length - flow.push(text).reduce((sum, piece) => sum + piece.length, 0);
      };
      const digits = (bytes: Buffer): number => bytes.join(separator).length;
      expect(held(right) - digits(right)).toBe(held(wrong) - digits(wrong));
    }),
    runs,
  );
});

test('[W-SEAL-3] a UUID and hexadecimal digits in the other case, with other separators, or none', () => {
  const shape = fc.constantFrom<(text: string) => string>(
    (text) => text.replaceAll('-', ''),
    (text) => text.replaceAll('-', '_'),
    (text) => text.replaceAll('-', '').replace(/..(?=.)/g, '$&:'),
    (text) => `urn:uuid:${text}`,
  );
  fc.assert(
    fc.property(
      fc.oneof(fc.uuid(), fc.stringMatching(/^[0-9a-f]{16,64}$/)).filter((value) => !/^[\d-]+$/.test(value)),
      shape,
      fc.boolean(),
      cuts,
      (value, shape, upper, cuts) => {
        const written = shape(value);
        const out = sealed(value, `{${upper ? written.toUpperCase() : written}}`, cuts);
        expect(out.toLowerCase().replace(/[^0-9a-z]/g, '')).not.toContain(value.replaceAll('-', ''));
        expect(out).toContain(PLACEHOLDER);
      },
    ),
    runs,
  );
});

test('[W-SEAL-3] the bytes as \\x41, as 41:42, as 41-42', () => {
  const write = fc.constantFrom<(bytes: Buffer) => string>(
    (bytes) => bytes.toString('hex').replace(/../g, '\\x$&'),
    (bytes) => bytes.toString('hex').toUpperCase().replace(/../g, '\\x$&'),
    (bytes) => bytes.toString('hex').replace(/..(?=.)/g, '$&:'),
    (bytes) =>
      bytes
        .toString('hex')
        .toUpperCase()
        .replace(/..(?=.)/g, '$&-'),
  );
  fc.assert(
    fc.property(token, write, cuts, (value, write, cuts) => {
      expect(sealed(value, `{${write(Buffer.from(value))}}`, cuts)).toMatch(/^\{[^{}\\:]*\}$/);
    }),
    runs,
  );
});

test('[W-SEAL-3] the password of "user:password" alone, in any of these', () => {
  const write = fc.constantFrom<(text: string) => string>(
    (text) => text,
    (text) => Buffer.from(text).toString('base64'),
    (text) => Buffer.from(text).toString('hex'),
    (text) => encodeURIComponent(text),
    (text) => JSON.stringify(Buffer.from(text)),
  );
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z]{3,10}$/),
      token.filter((value) => !isGuessable(value)),
      write,
      cuts,
      (user, password, write, cuts) => {
        const value = `${user}:${password}`;
        expect(secretParts(value)).toEqual([password]);
        const flow = (text: string): string => {
          const secrets = [value, ...secretParts(value)].map((one) => ({
            value: one,
            placeholder: PLACEHOLDER,
          }));
          const stream = new ResponseSealer(secrets).transform(false);
          const data = Buffer.from(text);
          const at = (cuts[0] ?? 0) % (data.length + 1);
          return Buffer.concat([
            ...stream.push(data.subarray(0, at)),
            ...stream.push(data.subarray(at)),
            ...stream.flush(),
          ]).toString();
        };
        const core = write(password).slice(4, -6);
        expect(flow(`{"wrong password": ${write(password)} }`)).not.toContain(core);
        expect(flow(`{"wrong": ${write(value)} }`)).not.toContain(core);
        expect(flow(`{"no such user": "${user}"}`)).toBe(`{"no such user": "${user}"}`);
      },
    ),
    runs,
  );
});

test.each([
  ['utf-16', true],
  ['UTF-16LE', true],
  ['"utf-16be"', true],
  ['unicode', true],
  ['ucs-2', true],
  ['csunicode', true],
  ['iso-10646-ucs-2', true],
  ['unicodefffe', true],
  ['iso-2022-jp', true],
  ['iso-2022-kr', true],
  ['hz-gb-2312', true],
  ['utf-7', true],
  ['utf-32', true],
  ['ibm037', true],
  ['x-unknown', true],
  ['utf-8', false],
  ['"UTF8"', false],
  ['us-ascii', false],
  ['latin1', false],
  ['windows-1252', false],
  ['shift_jis', false],
  ['', false],
])('[W-SEAL-3] a body in the character set %s cannot be searched: %s', (name, expected) => {
  expect(isUnsearchable(`application/json; charset=${name}`)).toBe(expected);
  expect(isUnsearchable(`text/plain; a=b; CharSet = ${name}; c=d`)).toBe(expected);
  expect(isUnsearchable('application/json')).toBe(false);
});
