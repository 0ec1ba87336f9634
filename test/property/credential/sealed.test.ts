// Any secret in a response, in any encoding and cut anywhere, becomes the placeholder, and everything else stays
// unchanged. Whatever a credential's limits are, another limit never allows more.
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { Finder } from '../../../src/credential/finder.ts';
import { ResponseSealer } from '../../../src/credential/redact.ts';
import { createPlaceholder } from '../../../src/credential/sealed/placeholder.ts';
import { type SealedCredential, SealedCredentials } from '../../../src/credential/sealed.ts';
import type { SubstitutionRequest } from '../../../src/credential/usage.ts';
import type { ProfileCredential } from '../../../src/profile/credential.ts';

const runs = { numRuns: process.env.SLOW ? 20_000 : 150 };
vi.setConfig({ testTimeout: process.env.SLOW ? 600_000 : 60_000 });

const jwt = fc
  .tuple(fc.dictionary(fc.string(), fc.string(), { maxKeys: 4 }), fc.nat(2 ** 31))
  .map(([claims, exp]) => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    return `${part({ alg: 'RS256' })}.${part({ ...claims, exp })}.${'c2lnbmF0dXJl'.repeat(3)}`;
  });

const secret = fc.oneof(
  fc.stringMatching(/^(ghp_|sk-|sk-ant-api03-|npm_|hf_|glpat-|AIza)[A-Za-z0-9]{20,40}$/),
  fc.stringMatching(/^github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}$/),
  fc.stringMatching(/^xox[bp]-[0-9]{10,13}-[0-9]{10,13}-[A-Za-z0-9]{24}$/),
  fc.stringMatching(/^(AKIA|ASIA)[A-Z2-7]{16}$/),
  fc.stringMatching(/^[0-9a-f]{16,64}$/),
  fc.uuid(),
  jwt,
  fc
    .tuple(fc.constantFrom('pk.', 'sk.', ''), jwt)
    .map(([prefix, text]) =>
      prefix === '' ? `${text}.aB3dE6gH9.x` : `${prefix}${text.split('.').slice(1).join('.')}`,
    ),
  fc.stringMatching(/^(hvs|dp\.pt|v4\.local|[A-Za-z0-9]{24})\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{20,40}$/),
  fc.stringMatching(/^[A-Za-z0-9_+/=-]{8,60}$/),
  fc.string({ unit: 'grapheme-ascii', minLength: 8, maxLength: 60 }),
  fc.string({ unit: 'grapheme', minLength: 8, maxLength: 40 }).filter((value) => value.isWellFormed()),
);

const hexOf = (value: string): string => Buffer.from(value).toString('hex');
const base64Of = (value: string): string => Buffer.from(value).toString('base64');

/** Encodings in which the placeholder replaces exactly the bytes of the secret. */
const exact: { readonly [name: string]: (value: string) => string } = {
  raw: (value) => value,
  URL: encodeURIComponent,
  'URL, twice': (value) => encodeURIComponent(encodeURIComponent(value)),
  form: (value) => new URLSearchParams({ v: value }).toString().slice(2),
  JSON: (value) => JSON.stringify(value).slice(1, -1),
  'JSON in JSON': (value) => JSON.stringify(JSON.stringify(value)).slice(3, -3),
  HTML: (value) => value.replace(/[^A-Za-z0-9]/gu, (one) => `&#${one.codePointAt(0)};`),
};
const coded: { readonly [name: string]: (value: string) => string } = {
  hex: hexOf,
  'hex, upper case': (value) => hexOf(value).toUpperCase(),
  base64: base64Of,
  'base64, inside': (value) => base64Of(`user:${value}\n`),
  base64url: (value) => Buffer.from(`p${value}`).toString('base64url'),
  'base64 of base64': (value) => base64Of(base64Of(`xy${value}`)),
};
const written = fc.constantFrom(...Object.keys(exact), ...Object.keys(coded));
/** Text that cannot be part of any encoding of a secret. */
const around = fc.stringMatching(/^[\u0100-\u0120 ]{0,20}$/);

function cutUp(data: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (data.length + 1)).sort((a, b) => a - b), data.length];
  return places.slice(1).map((end, index) => data.subarray(places[index], end));
}

test('[W-SEAL-1] [W-SEAL-11] any placeholder has only characters of its alphabet, is not the value, and contains nothing of it', () => {
  fc.assert(
    fc.property(
      secret,
      fc.infiniteStream(fc.uint8Array({ minLength: 600, maxLength: 600 })),
      (value, bytes) => {
        const taken: Uint8Array[] = [];
        const random = (length: number): Uint8Array => {
          const next = bytes.next().value as Uint8Array;
          const given = Uint8Array.from({ length }, (_, index) => next[index % next.length] ?? 0);
          taken.push(given);
          return given;
        };
        const placeholder = createPlaceholder(value, random);
        expect(placeholder).toMatch(/^[A-Za-z0-9_.-]{16,}$/);
        expect(placeholder).not.toBe(value);
        expect(createPlaceholder(value, () => taken.shift() ?? new Uint8Array(0))).toBe(placeholder);
        expect(new Finder([{ value }]).has(Buffer.from(placeholder))).toBe(false);
        // The beginnings of JSON are alike, and so is an expiry.
        if (/^[^.]+\.[^.]+\.[^.]+/.test(value) && /^(?:[ps]k\.)?ey[IJ]/.test(value)) return;
        const kept =
          /^([ps]k\.|hvs\.|dp\.pt\.|v4\.local\.|github_pat_|sk-ant-api03-|[a-zA-Z]+[_-]|A[KS]IA|AIza)/.exec(
            value,
          )?.[0].length ?? 0;
        for (let at = kept; at + 8 <= value.length; at++)
          expect(placeholder).not.toContain(value.slice(at, at + 8));
      },
    ),
    runs,
  );
});

test('[W-SEAL-3] in any encoding, cut anywhere, no secret is left in a response, and everything else is unchanged', () => {
  fc.assert(
    fc.property(
      secret,
      written,
      around,
      around,
      fc.array(fc.nat(), { maxLength: 10 }),
      fc.boolean(),
      (...drawn) => {
        const [value, name, before, after, cuts, keepLength] = drawn;
        fc.pre(!/[\u0100-\u0120]/.test(value) && value.trim() === value);
        const placeholder = createPlaceholder(value, randomBytes);
        const stood = (exact[name] ?? coded[name])?.(value) ?? '';
        const data = Buffer.from(`${before}\u0100${stood}\u0100${after}`);
        const flow = new ResponseSealer([{ value, placeholder }]).transform(keepLength);
        const out = Buffer.concat([
          ...cutUp(data, cuts).flatMap((piece) => flow.push(piece)),
          ...flow.flush(),
        ]);
        expect(new Finder([{ value }]).has(out)).toBe(false);
        if (keepLength) expect(out.length).toBe(data.length);
        expect(out.toString().startsWith(`${before}\u0100`)).toBe(true);
        expect(out.toString().endsWith(`\u0100${after}`)).toBe(true);
        // A value such as white space may overlap itself: one match, one placeholder.
        if (name in exact && !keepLength)
          expect(out.toString()).toBe(`${before}\u0100${placeholder}\u0100${after}`);
        if (name === 'hex' && !keepLength) expect(out.toString()).toContain(hexOf(placeholder));
        for (const piece of value.length >= 16 ? [value.slice(0, 8), value.slice(-8)] : []) {
          if (name in coded || placeholder.includes(piece)) continue;
          expect(out.toString().includes(piece)).toBe(false);
        }
      },
    ),
    runs,
  );
});

test('[W-SEAL-1] [W-SEAL-3] how much of a response is held back does not reveal whether it begins the secret', () => {
  const write = fc.constantFrom<(text: string) => string>(
    (text) => text,
    (text) => Buffer.from(text).toString('base64').replace(/=+$/, ''),
    (text) => Buffer.from(`xy${text}`).toString('base64').replace(/=+$/, '').slice(3),
    (text) => `${Buffer.from(text).toString('base64').replace(/=+$/, '')}\n`,
    (text) => Buffer.from(text).toString('hex'),
    (text) => Buffer.from(text).toString('hex').replace(/../g, '%$&'),
    (text) => Buffer.from(text).toString('hex').replace(/../g, '\\u00$&'),
    (text) => Array.from(text, (one) => `&#${one.charCodeAt(0)};`).join(''),
  );
  fc.assert(
    fc.property(secret, write, fc.nat(), fc.nat(40), around, (value, written, length, less, before) => {
      const guess = written(value.slice(0, 3 + (length % (value.length - 3))));
      // Parts of an escape, or of a group of base64, too.
      const right = guess.slice(0, Math.max(3, guess.length - (less % 12)));
      const wrong = right.replace(/[A-Za-z0-9](?=\W*$)/, (one) =>
        /\d/.test(one) ? (one === '7' ? '6' : '7') : 'Q',
      );
      const kept = (text: string): number => {
        const flow = new ResponseSealer([{ value, placeholder: 'sealed-x' }]).transform(false);
        const data = Buffer.from(`${before} ${text}`);
        return flow.push(data).reduce((sum, piece) => sum + piece.length, 0);
      };
      expect(kept(right)).toBe(kept(wrong));
    }),
    runs,
  );
});

test('[W-SEAL-1] [W-SEAL-3] a space that may stand for the plus of a secret is held back, whatever follows it', () => {
  const held = (text: string): number => {
    const flow = new ResponseSealer([{ value: '+++aB3dEfGh1jKl9', placeholder: 'sealed-x' }]).transform(
      false,
    );
    return text.length - flow.push(Buffer.from(text)).reduce((sum, piece) => sum + piece.length, 0);
  };
  for (const [right, wrong] of [
    [' &#43;', ' &#47;'],
    [' &#43;&#43;', ' &#43;&#47;'],
    ['x %2B%2B', 'x %2B%2F'],
  ] as const)
    expect(held(right)).toBe(held(wrong));
});

test('[W-SEAL-3] data without a secret passes unchanged, byte for byte', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9]{20,40}$/),
      fc.uint8Array({ maxLength: 600 }),
      fc.array(fc.nat(), { maxLength: 10 }),
      (value, bytes, cuts) => {
        const flow = new ResponseSealer([{ value, placeholder: 'sealed-x' }]).transform(false);
        const data = Buffer.from(bytes);
        const out = Buffer.concat([
          ...cutUp(data, cuts).flatMap((piece) => flow.push(piece)),
          ...flow.flush(),
        ]);
        expect(out.equals(data)).toBe(true);
      },
    ),
    runs,
  );
});

test('[W-SEAL-8] after any rotations, the secret of any time becomes the same placeholder', () => {
  fc.assert(
    fc.property(fc.array(secret, { minLength: 1, maxLength: 6 }), fc.nat(), (values, which) => {
      const sealed = make({}, values[0] ?? '');
      const [credential] = sealed.all;
      for (const [index, value] of values.entries()) credential?.update(value, `v${index}`);
      expect(credential?.value).toBe(values.at(-1));
      const value = values[which % values.length] ?? '';
      const flow = new ResponseSealer(sealed.secrets).transform(false);
      const out = Buffer.concat([...flow.push(Buffer.from(`\u0100${value}\u0100`)), ...flow.flush()]);
      expect(new Finder([{ value }]).has(out)).toBe(false);
    }),
    runs,
  );
});

const hosts = ['api.example.com', 'other.example.com'];
const paths = ['/a', '/a/b', '/a/b/c', '/a%2fb', '/a/../b', '/'];
const methods = ['GET', 'POST', 'DELETE'];
const locations = ['bearer', 'basic', 'header', 'query', 'path', 'body'] as const;

const use: fc.Arbitrary<SubstitutionRequest> = fc.record({
  host: fc.constantFrom(...hosts),
  port: fc.constantFrom(443, 80),
  secure: fc.boolean(),
  method: fc.constantFrom(...methods),
  path: fc.constantFrom(...paths),
  location: fc.constantFrom(...locations),
  now: fc.nat(200),
});
type Limits = Partial<
  Pick<ProfileCredential, 'hosts' | 'as' | 'paths' | 'methods' | 'confirm' | 'lifetime' | 'maxUses'>
>;
const limit: fc.Arbitrary<Limits> = fc.oneof(
  fc.subarray(hosts).map((some) => ({ hosts: some })),
  fc.constantFrom(...locations).map((as) => ({ as })),
  fc.subarray(['/a', '/a/*', '/**', '/a/**']).map((some) => ({ paths: some })),
  fc.subarray(methods).map((some) => ({ methods: some })),
  fc.boolean().map((confirm) => ({ confirm })),
  fc.nat(150).map((lifetime) => ({ lifetime })),
  fc.nat(3).map((maxUses) => ({ maxUses })),
);

function make(limits: Limits, value = 'a-value-of-some-length'): SealedCredentials {
  const none = {
    as: 'any',
    paths: undefined,
    methods: undefined,
    lifetime: undefined,
    maxUses: undefined,
    issues: undefined,
  };
  const credential = {
    ...{
      variable: 'T',
      from: 'store' as const,
      name: 'x/T',
      deliver: 'sealed' as const,
      confirm: false,
      hosts,
      ...none,
    },
    ...limits,
    value,
    version: 'v',
  };
  return new SealedCredentials([credential], {
    random: randomBytes,
    start: 50,
    uses: new Map(),
    matches: (pattern, name, port) => pattern === name && port === 443,
  });
}

test('[W-SEAL-2] [W-SEAL-5] another limit, a lock or a revocation never allows more', () => {
  fc.assert(
    fc.property(
      fc.array(limit, { maxLength: 4 }),
      limit,
      use,
      fc.boolean(),
      fc.boolean(),
      fc.nat(3),
      (...drawn) => {
        const [some, more, wish, locked, revoked, uses] = drawn;
        const base = Object.assign({}, ...some) as Limits;
        // Only limits that were not set yet: to set one again could widen it.
        fc.pre(Object.keys(more).every((key) => !(key in base)));
        const used = (limits: Limits): SealedCredential => {
          const [credential] = make(limits).all;
          for (let count = 0; count < uses; count++) credential?.recordUse();
          return credential!;
        };
        const open = { locked: false, isRevoked: () => false };
        const before = used(base).refusal(wish, open);
        const after = used({ ...base, ...more }).refusal(wish, { locked, isRevoked: () => revoked });
        if (before !== undefined) expect(after).not.toBe(undefined);
        if (locked || revoked) expect(after).not.toBe(undefined);
        if (before === undefined) {
          expect(wish.secure && wish.port === 443 && (base.hosts ?? hosts).includes(wish.host)).toBe(true);
        }
      },
    ),
    runs,
  );
});
