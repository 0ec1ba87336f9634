import { expect, test } from 'vitest';
import { createPlaceholder } from '../../../../src/credential/sealed/placeholder.ts';

/** Pseudorandom bytes, the same in each run. */
function seeded(seed = 1): (bytes: number) => Uint8Array {
  let state = seed;
  return (bytes) =>
    Uint8Array.from({ length: bytes }, () => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return state >>> 16;
    });
}
const make = (value: string): string => createPlaceholder(value, seeded());

const shapes: readonly (readonly [what: string, value: string, shape: RegExp])[] = [
  ['GitHub', 'ghp_16C7e42F292c6912E7710c838347Ae178B4a', /^ghp_[A-Za-z0-9]{36}$/],
  ['GitHub, an app for a user', 'ghu_16C7e42F292c6912E7710c838347Ae178B4a', /^ghu_[A-Za-z0-9]{36}$/],
  [
    'GitHub, fine-grained',
    `github_pat_11ABCDEFG0abcdefghijkl_${'aB3'.repeat(19)}xy`,
    /^github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}$/,
  ],
  ['OpenAI', `sk-${'aB3d'.repeat(12)}`, /^sk-[A-Za-z0-9]{48}$/],
  ['OpenAI, a project', `sk-proj-${'aB_3'.repeat(12)}`, /^sk-proj-[A-Za-z0-9]{48}$/],
  ['Anthropic', `sk-ant-api03-${'aB-_'.repeat(23)}AA`, /^sk-ant-api03-[A-Za-z0-9]{94}$/],
  ['Stripe', `sk_live_${'4eC39HqLyjWDarjtT1zd'}`, /^sk_live_[A-Za-z0-9]{20}$/],
  ['Stripe, restricted', `rk_live_${'4eC39HqLyjWDarjtT1zd'}`, /^rk_live_[A-Za-z0-9]{20}$/],
  [
    'Slack, a bot',
    'xoxb-123456789012-9876543210987-AbCdEfGhIjKlMnOpQrStUvWx',
    /^xoxb-\d{12}-\d{13}-[A-Za-z0-9]{24}$/,
  ],
  [
    'Slack, an app',
    `xapp-1-A0123456789-1234567890123-${'0a1b'.repeat(16)}`,
    /^xapp-1-[A-Z2-7]{11}-\d{13}-[0-9a-f]{64}$/,
  ],
  ['GitLab', 'glpat-aB3dE5gH7jK9mN1pQ3sT', /^glpat-[A-Za-z0-9]{20}$/],
  [
    'GitLab, with routing',
    `glpat-${'aB3'.repeat(9)}.01.0a1b2c3d4`,
    /^glpat-[A-Za-z0-9]{27}\.01\.[0-9a-f]{9}$/,
  ],
  ['npm', `npm_${'aB3d'.repeat(9)}`, /^npm_[A-Za-z0-9]{36}$/],
  ['PyPI', `pypi-AgEIcHlwaS5vcmc${'aB-d'.repeat(30)}`, /^pypi-AgEIcHlwaS5vcmc[A-Za-z0-9]{120}$/],
  ['Hugging Face', `hf_${'aBcD'.repeat(8)}ef`, /^hf_[A-Za-z0-9]{34}$/],
  ['AWS', 'AKIAIOSFODNN7EXAMPLE', /^AKIA[A-Z2-7]{16}$/],
  ['Google', `AIza${'aB-_3'.repeat(7)}`, /^AIza[A-Za-z0-9]{35}$/],
  ['Google, OAuth', `ya29.a0${'aB-_3'.repeat(20)}`, /^ya29\.[A-Za-z0-9]{102}$/],
  ['Linear', `lin_api_${'aB3d'.repeat(10)}`, /^lin_api_[A-Za-z0-9]{40}$/],
  ['Notion', `ntn_${'aB3d'.repeat(11)}`, /^ntn_[A-Za-z0-9]{44}$/],
  ['Sentry', `sntrys_${'eyJ='.repeat(8)}_${'aB+/'.repeat(10)}`, /^sntrys_[A-Za-z0-9]{73}$/],
  ['Figma', `figd_${'aB-_'.repeat(10)}`, /^figd_[A-Za-z0-9]{40}$/],
  ['Postman', `PMAK-${'0a1b2c'.repeat(4)}-${'0a'.repeat(17)}`, /^PMAK-[0-9a-f]{24}-[0-9a-f]{34}$/],
  ['DigitalOcean', `dop_v1_${'0a1b'.repeat(16)}`, /^dop_v1_[0-9a-f]{64}$/],
  ['Shopify', `shpat_${'0a1b'.repeat(8)}`, /^shpat_[0-9a-f]{32}$/],
  ['SendGrid', `SG.${'aB3'.repeat(7)}x.${'aB3'.repeat(14)}y`, /^SG\.[A-Za-z0-9]{22}\.[A-Za-z0-9]{43}$/],
  ['Twilio', `AC${'0a1b'.repeat(8)}`, /^AC[0-9a-f]{32}$/],
  [
    'UUID',
    '0190a3c4-7b5e-7c3d-9e1f-2a3b4c5d6e7f',
    /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  ],
  [
    'UUID, upper case',
    '0190A3C4-7B5E-4C3D-9E1F-2A3B4C5D6E7F',
    /^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$/,
  ],
  ['hexadecimal digits', '0a1b2c3d'.repeat(5), /^[0-9a-f]{40}$/],
  ['anything', 'correct horse battery staple', /^sealed-[A-Za-z0-9]{21}$/],
  ['what is short', 'hunter2hunter2', /^sealed-[A-Za-z0-9]{33}$/],
  ['what is long', 'x'.repeat(1000), /^sealed-[A-Za-z0-9]{33}$/],
];

test.each(shapes)('[W-SEAL-1] the placeholder has the format of the value: %s', (_what, value, shape) => {
  const placeholder = make(value);
  expect(placeholder).toMatch(shape);
  expect(placeholder).not.toBe(value);
  expect(make(value)).toBe(placeholder);
  expect(createPlaceholder(value, seeded(2))).not.toBe(placeholder);
});

const coded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const read = (part = ''): Record<string, unknown> => JSON.parse(Buffer.from(part, 'base64url').toString());

test('[W-SEAL-1] a JWT has three parts that can be decoded, the same expiry, and nothing else of the real one', () => {
  for (const extra of ['', 'a', 'ab', 'abc', 'abcd', 'x'.repeat(500)]) {
    const real = `${coded({ alg: 'RS256', kid: 'k1' })}.${coded({
      iss: 'https://issuer.example',
      sub: `user-${extra}`,
      scope: 'repo read:org write:org admin:enterprise',
      exp: 1893456000,
    })}.${Buffer.alloc(256, 7).toString('base64url')}`;
    const [header, payload, signature, ...more] = make(real).split('.');
    expect(more).toEqual([]);
    expect(read(header)).toEqual({ alg: 'HS256', typ: 'JWT' });
    expect(read(payload)).toEqual({
      sealed: true,
      exp: 1893456000,
      jti: expect.stringMatching(/^[A-Za-z0-9]{22,}$/),
    });
    expect(signature).toMatch(/^[\w-]{43,44}$/);
    expect(make(real).length).toBe(real.length);
  }
});

test('a JWT without an expiry gets none; a value that only looks like a JWT is not treated as one', () => {
  const short = `${coded({ alg: 'none' })}.${coded({})}.abcd`;
  expect(read(make(short).split('.')[1])).toEqual({ sealed: true, jti: expect.any(String) });
  expect(make('aaaa.bbbbbbbbbbbb.cccccc')).toMatch(/^sealed-/);
});

test('[W-SEAL-1] even without randomness, no placeholder is the value or contains 8 characters of it', () => {
  const zeros = (bytes: number): Uint8Array => new Uint8Array(bytes);
  const values = ['A'.repeat(40), `ghp_${'A'.repeat(36)}`, '0'.repeat(32), `sealed-${'A'.repeat(33)}`];
  for (const value of values) {
    const placeholder = createPlaceholder(value, zeros);
    const own = value.replace(/^ghp_/, '');
    for (let at = 0; at + 8 <= own.length; at++) expect(placeholder).not.toContain(own.slice(at, at + 8));
  }
});
