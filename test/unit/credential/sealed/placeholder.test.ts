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
  ['Sentry', `sntrys_${'eyJ='.repeat(8)}_${'aB+/'.repeat(10)}`, /^sntrys_[A-Za-z0-9]{32}_[A-Za-z0-9]{40}$/],
  ['Sentry, a user', `sntryu_${'0a1b'.repeat(16)}`, /^sntryu_[0-9a-f]{64}$/],
  ['Figma', `figd_${'aB-_'.repeat(10)}`, /^figd_[A-Za-z0-9]{40}$/],
  ['Postman', `PMAK-${'0a1b2c'.repeat(4)}-${'0a'.repeat(17)}`, /^PMAK-[0-9a-f]{24}-[0-9a-f]{34}$/],
  ['DigitalOcean', `dop_v1_${'0a1b'.repeat(16)}`, /^dop_v1_[0-9a-f]{64}$/],
  ['Shopify', `shpat_${'0a1b'.repeat(8)}`, /^shpat_[0-9a-f]{32}$/],
  ['SendGrid', `SG.${'aB3'.repeat(7)}x.${'aB3'.repeat(14)}y`, /^SG\.[A-Za-z0-9]{22}\.[A-Za-z0-9]{43}$/],
  ['Twilio', `AC${'0a1b'.repeat(8)}`, /^AC[0-9a-f]{32}$/],
  ['Vault', `hvs.${'CAESa-_3'.repeat(11)}`, /^hvs\.[A-Za-z0-9]{88}$/],
  ['Doppler', `dp.pt.${'aB3'.repeat(14)}`, /^dp\.pt\.[A-Za-z0-9]{42}$/],
  [
    'PASETO',
    `v4.public.${'aB-_3'.repeat(20)}.${'Zm9v'.repeat(4)}`,
    /^v4\.public\.[A-Za-z0-9]{100}\.[A-Za-z0-9]{16}$/,
  ],
  ['Airtable', `pat${'aB3dE6g'.repeat(2)}.${'0a1b'.repeat(16)}`, /^pat[A-Za-z0-9]{14}\.[0-9a-f]{64}$/],
  [
    'HubSpot',
    'pat-na1-0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d',
    /^pat-na1-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  ],
  [
    'Context7',
    'ctx7sk-0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d',
    /^ctx7sk-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  ],
  ['CircleCI', `CCIPAT_${'aB3'.repeat(7)}x_${'0a'.repeat(20)}`, /^CCIPAT_[A-Za-z0-9]{22}_[0-9a-f]{40}$/],
  ['Atlassian', `ATATT3xFfGF0${'aB-_'.repeat(43)}=0A1B2C3D`, /^ATATT3[A-Za-z0-9]{187}$/],
  ['Supabase', `sbp_${'0a1b'.repeat(10)}`, /^sbp_[0-9a-f]{40}$/],
  ['Apify', `apify_api_${'aB3d'.repeat(9)}`, /^apify_api_[A-Za-z0-9]{36}$/],
  ['Tavily', `tvly-dev-${'aB3d'.repeat(8)}`, /^tvly-dev-[A-Za-z0-9]{32}$/],
  ['Perplexity', `pplx-${'aB3d'.repeat(12)}`, /^pplx-[A-Za-z0-9]{48}$/],
  ['Firecrawl', `fc-${'0a1b'.repeat(8)}`, /^fc-[0-9a-f]{32}$/],
  [
    'a token of parts',
    `v2.${'aB3d'.repeat(6)}.${'0a1b'.repeat(8)}.01234567`,
    /^v2\.[A-Za-z0-9]{24}\.[0-9a-f]{32}\.\d{8}$/,
  ],
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
  ['a password with dots', 'Correct.Horse1.Battery2.Staple', /^sealed-[A-Za-z0-9]{23}$/],
  ['the name of a host', `Db1.${'internal'.repeat(3)}.example.com`, /^sealed-[A-Za-z0-9]{33}$/],
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

test('[W-SEAL-1] [W-SEAL-11] a JWT has three parts that can be decoded, the same expiry, and nothing else of the real one', () => {
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

test('[W-SEAL-1] [W-SEAL-11] a token of Mapbox has three parts, the second a payload that can be decoded and says nothing of the real one', () => {
  for (const kind of ['pk', 'sk', 'tk'])
    for (const claims of [
      { u: 'acme', a: 'cm0123456789abcdefghijkl' },
      { u: 'acme', a: 'cm01', exp: 1893456000 },
      { u: 'a' },
    ]) {
      const real = `${kind}.${coded(claims)}.aB3dE6gH9jK2mN5pQ8sT1v`;
      const [head, payload, signature, ...more] = make(real).split('.');
      expect(more).toEqual([]);
      expect(head).toBe(kind);
      expect(signature).toMatch(/^[A-Za-z0-9]{22}$/);
      expect(read(payload)).toMatchObject({ jti: expect.stringMatching(/^[A-Za-z0-9]+$/) });
      expect(read(payload)).not.toHaveProperty('u');
      expect(Object.keys(read(payload)).filter((key) => !['sealed', 'exp', 'jti'].includes(key))).toEqual([]);
      if ('exp' in claims && read(payload).sealed === true) expect(read(payload).exp).toBe(claims.exp);
    }
  const usual = `pk.${coded({ u: 'acme', a: 'cm0123456789abcdefghijkl' })}.aB3dE6gH9jK2mN5pQ8sT1v`;
  expect(read(make(usual).split('.')[1])).toMatchObject({ sealed: true });
  expect(make(usual)).toHaveLength(usual.length);
  // Without anything random after its payload it is a prefix and no token.
  expect(make(`pk.${coded({ u: 'a' })}`)).toMatch(/^sealed-/);
});

test('[W-SEAL-1] [W-SEAL-11] a token whose first part is an identifier in base64 has another identifier there', () => {
  const id = '123456789012345678';
  const real = `${Buffer.from(id).toString('base64url')}.GaBcDe.${'aB3-_'.repeat(7)}xyz`;
  const [first = '', second, third, ...more] = make(real).split('.');
  expect(more).toEqual([]);
  expect(Buffer.from(first, 'base64url').toString()).toMatch(/^[1-9]\d{17}$/);
  expect(Buffer.from(first, 'base64url').toString()).not.toBe(id);
  expect(second).toMatch(/^[A-Za-z0-9]{6}$/);
  expect(third).toMatch(/^[A-Za-z0-9]{38}$/);
});

test('[W-SEAL-1] [W-SEAL-11] an encrypted token has five parts, the first members of JSON', () => {
  const real = `${coded({ alg: 'dir', enc: 'A256GCM', kid: 'key-of-somebody' })}..${'aB3d'.repeat(4)}.${'eF6-'.repeat(50)}.${'gH9_'.repeat(5)}xy`;
  const parts = make(real).split('.');
  expect(parts.map((part) => part.length)).toEqual(real.split('.').map((part) => part.length));
  expect(read(parts[0])).toEqual({ sealed: true, jti: expect.any(String) });
});

test('[W-SEAL-1] [W-SEAL-11] even without randomness, no placeholder is the value or contains 8 characters of it', () => {
  const zeros = (bytes: number): Uint8Array => new Uint8Array(bytes);
  const values = [
    'A'.repeat(40),
    `ghp_${'A'.repeat(36)}`,
    '0'.repeat(32),
    `sealed-${'A'.repeat(33)}`,
    `pk.e30.${'A'.repeat(22)}`,
  ];
  for (const value of values) {
    const placeholder = createPlaceholder(value, zeros);
    const own = value.replace(/^ghp_|^pk\.e30\./, '');
    for (let at = 0; at + 8 <= own.length; at++) expect(placeholder).not.toContain(own.slice(at, at + 8));
  }
});
