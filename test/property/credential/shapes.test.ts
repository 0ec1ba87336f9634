// What honest programs make of a secret when they echo it: other encodings of its bytes, another case, other separators,
// only its password. Nothing of it is left, wherever the text is cut, and the placeholder stands there instead.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { ResponseSealer } from '../../../src/credential/redact.ts';
import { base32Core } from '../../../src/credential/search/encodings.ts';
import { secretParts } from '../../../src/credential/secret-parts.ts';
import { isGuessable } from '../../../src/credential/strength.ts';
import { isUnsearchable } from '../../../src/egress/content-coding.ts';

const runs = { numRuns: process.env.SLOW ? 10_000 : 100 };
vi.setConfig({ testTimeout: process.env.SLOW ? 600_000 : 60_000 });

const PLACEHOLDER = 'sealed-ABCdef0123456789xyz';
const token = fc.stringMatching(/^[a-z]{3}_[A-Za-z0-9]{13,40}$/);
const any = fc.oneof(
  token,
  fc.stringMatching(/^[A-Za-z0-9_+/=.~-]{12,60}$/),
  fc.string({ unit: 'grapheme', minLength: 8, maxLength: 30 }).filter((value) => value.isWellFormed()),
);
const hexOf = (byte: number): string => byte.toString(16).padStart(2, '0');
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

/** The writings of a number in a list, and what may stand between two. */
const NUMBERS: readonly ((byte: number) => string)[] = [
  (byte) => String(byte),
  (byte) => `0x${hexOf(byte)}`,
  (byte) => `0X${hexOf(byte).toUpperCase()}`,
  hexOf,
  (byte) => hexOf(byte).toUpperCase(),
];
const BETWEEN = [
  ',',
  ', ',
  ' ',
  '  ',
  '\n',
  ',\n    ',
  ',\r\n\t',
  '\n- ',
  '\\n',
  ',\\n  ',
  ',\\r\\n\\t',
  '\\\\n',
  '","',
  '; ',
];
const list = fc.tuple(fc.constantFrom(...NUMBERS), fc.constantFrom(...BETWEEN));

test('[W-SEAL-3] lists of its bytes in any layout: one number a line, with 0x, as a dump, in YAML, escaped in JSON', () => {
  fc.assert(
    fc.property(
      any,
      fc.uint8Array({ maxLength: 5 }),
      fc.uint8Array({ maxLength: 5 }),
      list,
      cuts,
      (value, before, after, [number, between], cuts) => {
        const written = Array.from(Buffer.from(value), number).join(between);
        const around = (bytes: Uint8Array): string[] => Array.from(bytes, (byte) => number(byte));
        const text = `key: [${[...around(before), written, ...around(after)].join(between)}] end`;
        const out = sealed(value, text, cuts);
        expect(out).not.toContain(written);
        // Digits with escapes between them are found as digits.
        const shown = Array.from(Buffer.from(PLACEHOLDER), number).join(between);
        expect([shown, PLACEHOLDER].some((text) => out.toLowerCase().includes(text.toLowerCase()))).toBe(
          true,
        );
        expect(out.startsWith('key: [') && out.endsWith('] end')).toBe(true);
      },
    ),
    runs,
  );
});

test('[W-SEAL-3] each number in a writing of its own, after what it likes', () => {
  fc.assert(
    fc.property(
      token.chain((value) =>
        fc.tuple(
          fc.constant(value),
          fc.array(fc.tuple(fc.nat(2), fc.constantFrom(...BETWEEN)), {
            minLength: value.length,
            maxLength: value.length,
          }),
        ),
      ),
      cuts,
      ([value, draws], cuts) => {
        const written = Array.from(Buffer.from(value), (byte, at) => {
          const [way = 0, between = ','] = draws[at] ?? [];
          return (at === 0 ? '' : between) + NUMBERS[way]?.(byte);
        }).join('');
        expect(sealed(value, `(${written})`, cuts)).not.toContain(written.slice(8, -8));
      },
    ),
    runs,
  );
});

test('[W-SEAL-3] an array of bytes as JSON.stringify writes it, with an index for each; and the bytes of UTF-16', () => {
  fc.assert(
    fc.property(token, cuts, fc.constantFrom(undefined, 2), (value, cuts, indent) => {
      const bytes = Buffer.from(value);
      const indexed = JSON.stringify({ at: new Uint8Array(bytes) }, null, indent);
      const wide = JSON.stringify({ at: [...Buffer.from(value, 'utf16le')] }, null, indent);
      for (const text of [indexed, wide, JSON.stringify(indexed)]) {
        const out = sealed(value, text, cuts);
        expect(() => JSON.parse(out)).not.toThrow();
        const left = Buffer.from(Array.from(out.matchAll(/\d+(?!\d|\\?":)/g), ([digits]) => Number(digits)));
        expect(Buffer.from(left.filter((byte) => byte !== 0)).includes(value)).toBe(false);
        expect(left.includes(PLACEHOLDER)).toBe(true);
      }
    }),
    runs,
  );
});

test('[W-SEAL-3] the text, base64 and hexadecimal digits in indented lines of any width', () => {
  const encode = fc.constantFrom<(value: string) => string>(
    (value) => value,
    (value) => Buffer.from(value).toString('base64'),
    (value) => Buffer.from(value).toString('hex'),
    (value) => Buffer.from(`user:${value}`).toString('base64url'),
    (value) => base32(Buffer.from(value)),
  );
  const line = fc.constantFrom('\n', '\r\n', '\\n', '\\r\\n', '\\\\n');
  const indent = fc.stringMatching(/^[ \t]{0,24}$/);
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9_-]{16,200}$/).filter((value) => value.replace(/[_-]/g, '').length >= 16),
      encode,
      line,
      indent,
      fc.integer({ min: 4, max: 76 }),
      cuts,
      (value, encode, line, indent, width, cuts) => {
        const lines = encode(value).match(new RegExp(`.{1,${width}}`, 'g')) ?? [];
        const text = `key: |${line}${indent}${lines.join(`${line}${indent}`)}${line}${line}end: (1)`;
        const out = sealed(value, text, cuts);
        const left = out.replaceAll(`${line}${indent}`, '').replaceAll(line, '');
        expect(left).toMatch(/^key: \|.*end: \(1\)$/);
        const secret = encode(value);
        // What "user:" alone determines is left.
        for (let at = secret.startsWith('dXNlcj') ? 8 : 0; at + 8 <= secret.length; at += 4) {
          const piece = secret.slice(at, at + 8);
          // The placeholder may begin like the value.
          if (!encode(PLACEHOLDER).includes(piece)) expect(left).not.toContain(piece);
        }
      },
    ),
    runs,
  );
});

test('[W-SEAL-3] what a mail program makes of it: quoted-printable, wrapped', () => {
  fc.assert(
    fc.property(
      fc
        .stringMatching(/^[a-z]{3}_[A-Za-z0-9=?!.~]{12,60}[a-z]{4}$/)
        .filter((value) => /(?:\w.*){14}/.test(value)),
      fc.integer({ min: 8, max: 75 }),
      fc.constantFrom('=\r\n', '=\n'),
      cuts,
      (value, width, soft, cuts) => {
        const body = `Token=${value}.`.replace(
          /[=~]/g,
          (one) => `=${hexOf(one.charCodeAt(0)).toUpperCase()}`,
        );
        const lines = body.match(new RegExp(`(?:=..|[^=]){1,${Math.floor(width / 3)}}`, 'g')) ?? [];
        const out = sealed(value, `(${lines.join(soft)})`, cuts);
        expect(out.replaceAll(soft, '')).toBe(`(Token=3D${PLACEHOLDER}.)`);
      },
    ),
    runs,
  );
});

test('[W-SEAL-1] [W-SEAL-3] how much of such a list is held back does not reveal whether it begins the secret', () => {
  fc.assert(
    fc.property(
      token,
      fc.nat(),
      fc.constantFrom(',', ', ', '\n', ',\n  ', ' '),
      (value, length, separator) => {
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
      },
    ),
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
