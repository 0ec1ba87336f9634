import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { sealedTextProblem, sealingProblem } from '../../../src/credential/sealable.ts';
import { canonicalPath, matchesPath } from '../../../src/credential/sealed/request-path.ts';
import {
  type SealedCredential,
  SealedCredentials,
  type SealedParts,
} from '../../../src/credential/sealed.ts';
import type { SubstitutionRequest, UsageLocks } from '../../../src/credential/usage.ts';
import { type ProfileCredential, UNLIMITED } from '../../../src/profile/credential.ts';

const token = 'ghp_16C7e42F292c6912E7710c838347Ae178B4a';
const plain: ProfileCredential & { value: string; version: string } = {
  variable: 'GITHUB_TOKEN',
  from: 'store',
  name: 'github/token',
  deliver: 'sealed',
  hosts: ['api.github.com'],
  ...UNLIMITED,
  value: token,
  version: 'v1',
};
const parts = (): SealedParts => ({
  random: randomBytes,
  start: 1000,
  uses: new Map(),
  matches: (pattern, name, port) => pattern === name && port === 443,
});
const make = (...limits: Partial<typeof plain>[]): SealedCredentials =>
  new SealedCredentials(
    limits.map((one) => ({ ...plain, ...one })),
    parts(),
  );
const first = (sealed: SealedCredentials): SealedCredential => sealed.all[0]!;
const use: SubstitutionRequest = {
  host: 'api.github.com',
  port: 443,
  secure: true,
  method: 'GET',
  path: '/repos/acme/house',
  location: 'bearer',
  now: 2000,
};
const open: UsageLocks = { locked: false, isRevoked: () => false };
const refusal = (
  limits: Partial<typeof plain>,
  other: Partial<SubstitutionRequest> = {},
  guards = open,
): string | undefined => first(make(limits)).refusal({ ...use, ...other }, guards);

test('[W-SEAL-2] a credential without limits may be used at its hosts, over TLS only', () => {
  expect(refusal({})).toBe(undefined);
  expect(refusal({}, { host: 'evil.example' })).toBe('the host is not one of its hosts');
  expect(refusal({}, { port: 8443 })).toBe('the host is not one of its hosts');
  expect(refusal({ hosts: [] })).toBe('the host is not one of its hosts');
  expect(refusal({}, { secure: false })).toBe('it would travel over plain http');
});

test('[W-SEAL-2] method, path and location', () => {
  expect(refusal({ methods: ['POST'] })).toBe('the method is not one of its methods');
  expect(refusal({ methods: ['GET'] }, { method: 'get' })).toBe('the method is not one of its methods');
  expect(refusal({ methods: ['GET', 'POST'] })).toBe(undefined);
  expect(refusal({ paths: ['/repos/acme/**'] })).toBe(undefined);
  expect(refusal({ paths: ['/repos/acme/**'] }, { path: '/repos/other/house' })).toBe(
    'the path is not one of its paths',
  );
  expect(refusal({ paths: ['/repos/acme/**'] }, { path: '/repos/acme%2fhouse' })).toBe(
    'the path is ambiguous',
  );
  expect(refusal({}, { path: '/repos/acme%2fhouse' })).toBe(undefined);
  const places = ['bearer', 'basic', 'header', 'query', 'path', 'body', 'token'] as const;
  const allowed = (as: string | undefined): string[] =>
    places.filter((place) => refusal({ as }, { location: place }) === undefined);
  expect(allowed('bearer')).toEqual(['bearer']);
  expect(allowed('basic')).toEqual(['basic']);
  expect(allowed('header')).toEqual(['bearer', 'basic', 'header']);
  for (const as of ['query', 'path']) expect(allowed(as)).toEqual([as]);
  expect(allowed('body')).toEqual(['body', 'token']);
  expect(allowed('any')).toEqual(places);
  // Without `as`: a header, and what only a token endpoint reads.
  expect(allowed(undefined)).toEqual(['bearer', 'basic', 'header', 'token']);
  expect(allowed('anything')).toEqual([]);
});

test('[W-SEAL-5] lock and revocation come first, and apply to tokens that were obtained with the credential too', () => {
  expect(refusal({ hosts: [] }, {}, { ...open, locked: true })).toBe('credentials are locked');
  const revoked = (name: string): boolean => name === 'github/token';
  expect(refusal({}, {}, { ...open, isRevoked: revoked })).toBe('the credential is revoked');
  const sealed = make({});
  sealed.seal('a-token-of-a-token-endpoint', first(sealed));
  expect(sealed.all[1]!.refusal(use, { ...open, isRevoked: revoked })).toBe('the credential is revoked');
});

test('[W-SEAL-5] lifetime counts from the start of the session', () => {
  expect(refusal({ lifetime: 1001 })).toBe(undefined);
  expect(refusal({ lifetime: 1000 })).toBe('its lifetime is over');
});

test('[W-SEAL-5] max-uses counts requests, and one that carries the credential already is not another use', () => {
  const credential = first(make({ maxUses: 2 }));
  for (const _ of [1, 2]) {
    expect(credential.refusal(use, open)).toBe(undefined);
    credential.recordUse();
  }
  expect(credential.refusal({ ...use, repeated: true }, open)).toBe(undefined);
  expect(credential.refusal(use, open)).toBe('it was used as often as it may be');
});

test('[W-SEAL-5] max-uses counts on when the session gets another server; a token counts as what it was obtained with', () => {
  const session = parts();
  const server = (): SealedCredentials => new SealedCredentials([{ ...plain, maxUses: 2 }], session);
  const [one, other] = [server(), server()];
  first(one).recordUse();
  one.seal('a-new-token-of-an-endpoint', first(one));
  expect(first(other).refusal(use, open)).toBe(undefined);
  one.all[1]?.recordUse();
  for (const credential of [...one.all, first(other)])
    expect(credential.refusal(use, open)).toBe('it was used as often as it may be');
  expect(first(new SealedCredentials([{ ...plain, maxUses: 2 }], parts())).refusal(use, open)).toBe(
    undefined,
  );
});

test('[W-SEAL-5] a credential that a person has to confirm is refused until one has', () => {
  expect(refusal({ confirm: true })).toBe('nobody has confirmed this use');
  expect(refusal({ confirm: true }, { confirmed: true })).toBeUndefined();
  // Who confirmed saw one method and one path.
  expect(refusal({ confirm: true }, { confirmed: true, hasOverrideHeader: true })).toContain(
    'another method',
  );
});

test('[W-SEAL-8] a new value keeps the placeholder; former values are still searched for', () => {
  const sealed = make({});
  const { placeholder } = first(sealed);
  const before = sealed.revision;
  first(sealed).update('ghp_second', 'v2');
  expect(sealed.revision).toBeGreaterThan(before);
  expect(first(sealed)).toMatchObject({ value: 'ghp_second', version: 'v2', placeholder });
  expect(sealed.secrets).toEqual([
    { value: 'ghp_second', placeholder },
    { value: token, placeholder },
  ]);
  const then = sealed.revision;
  first(sealed).update('ghp_second', 'v3');
  expect(first(sealed).version).toBe('v3');
  expect(sealed.revision).toBe(then);
  for (let round = 0; round < 100; round++) first(sealed).update(`ghp_number-${round}`, `n${round}`);
  expect(sealed.secrets).toHaveLength(17);
  expect(sealed.secrets[0]).toEqual({ value: 'ghp_number-99', placeholder });
});

test('the environment has the placeholders, and the hosts of every credential are allowed', () => {
  const sealed = make(
    {},
    { variable: 'SLACK', name: 'slack', hosts: ['slack.com'], value: 'xoxb-123456789012-abc' },
  );
  const [github, slack] = sealed.all;
  expect(sealed.environment()).toEqual({ GITHUB_TOKEN: github?.placeholder, SLACK: slack?.placeholder });
  expect(sealed.placeholders).toEqual([{ value: github?.placeholder }, { value: slack?.placeholder }]);
  expect(sealed.allowsHost('slack.com', 443)).toBe(true);
  expect(sealed.allowsHost('slack.com', 80)).toBe(false);
  expect(sealed.allowsHost('example.com', 443)).toBe(false);
  expect(sealed.byPlaceholder(slack?.placeholder ?? '')).toBe(slack);
  expect(sealed.byPlaceholder('sealed-other')).toBe(undefined);
});

test('[W-SEAL-6] a new token is sealed with the limits of the credential, but for what "issues" says', () => {
  const limits = { paths: ['/token'], methods: ['POST'], as: 'body', lifetime: 5000 };
  const sealed = make(limits);
  const all = sealed.all;
  const placeholder = sealed.seal('gho_an-access-token-0123', first(sealed)) ?? '';
  expect(all).toHaveLength(1);
  expect(sealed.all).toHaveLength(2);
  const made = sealed.byPlaceholder(placeholder)!;
  expect(made).toMatchObject({
    name: 'github/token',
    value: 'gho_an-access-token-0123',
    version: 'v1/1',
    derived: true,
  });
  const atToken = { ...use, method: 'POST', path: '/token', location: 'body' } as const;
  expect(made.refusal(atToken, open)).toBe(undefined);
  expect(made.refusal({ ...atToken, method: 'DELETE' }, open)).toBe('the method is not one of its methods');
  expect(made.refusal({ ...atToken, path: '/admin' }, open)).toBe('the path is not one of its paths');
  expect(made.refusal({ ...atToken, location: 'bearer' }, open)).toBe('it may be used in "body" only');
  expect(made.refusal({ ...atToken, host: 'evil.example' }, open)).toBe('the host is not one of its hosts');
  expect(made.refusal({ ...atToken, now: 6000 }, open)).toBe('its lifetime is over');
  expect(sealed.seal('gho_an-access-token-0123', first(sealed))).toBe(placeholder);
  expect(sealed.seal(token, made)).toBe(first(sealed).placeholder);
  expect(sealed.seal(placeholder, made)).toBe(placeholder);
  expect(sealed.seal('short', made)).toBe('short');
  // A rotation of the credential that it was obtained with does not change it.
  made.update('another', 'v9');
  expect(made.value).toBe('gho_an-access-token-0123');

  const issues = { path: '/token', members: ['ticket'], as: 'bearer', paths: ['/api/**'], methods: ['GET'] };
  const other = make({ ...limits, issues });
  const bearer = other.byPlaceholder(other.seal('gho_an-access-token-0123', first(other)) ?? '')!;
  expect(bearer.refusal({ ...use, path: '/api/me' }, open)).toBe(undefined);
  expect(bearer.refusal(atToken, open)).toMatch(/not one of its methods/);
  expect(first(other).refusal(atToken, open)).toBe(undefined);
  // What it is exchanged for in turn has its limits.
  const next = other.byPlaceholder(other.seal('gho_another-token-0123', bearer) ?? '')!;
  expect(next.refusal({ ...use, path: '/api/me' }, open)).toBe(undefined);
  expect(first(other).issuedMembers('/token')).toEqual(['ticket']);
  expect(first(other).issuedMembers('/other')).toEqual([]);
  expect(first(make({ issues: { ...issues, path: undefined } })).issuedMembers('/other')).toEqual(['ticket']);
});

test('[W-SEAL-6] [W-EGR-7] no token is forgotten: tokens beyond the limits are refused', () => {
  const sealed = make({});
  for (let round = 0; round < 300; round++) {
    const placeholder = sealed.seal(`token-of-endpoint-${round}`, first(sealed));
    expect(placeholder === undefined).toBe(round >= 256);
  }
  expect(sealed.all).toHaveLength(257);
  expect(sealed.all[1]?.value).toBe('token-of-endpoint-0');
  const other = make({});
  expect(other.seal('x'.repeat(8193), first(other))).toBe(undefined);
  const long = Array.from({ length: 40 }, (_, index) =>
    other.seal(`${index}`.padEnd(8192, 'x'), first(other)),
  );
  expect(long.filter((placeholder) => placeholder !== undefined)).toHaveLength(16);
});

test('[W-SEAL-2] if methods or paths are limited, a header that may override them is refused', () => {
  const diverted = { hasOverrideHeader: true };
  expect(refusal({ methods: ['GET'] }, diverted)).toBe('a header may name another method or path');
  expect(refusal({ paths: ['/**'] }, diverted)).toBe('a header may name another method or path');
  expect(refusal({}, diverted)).toBe(undefined);
});

test('[W-SEAL-9] a value that cannot be sealed has a reason, which does not contain it', () => {
  const what = (variable: string, value: string): string | undefined => {
    const problem = sealingProblem(variable, value);
    expect(JSON.stringify(problem ?? '')).not.toContain(value);
    return problem?.what;
  };
  expect(what('TOKEN', token)).toBe(undefined);
  expect(what('PIN', '1234567')).toMatch(/fewer than 8/);
  expect(what('KEY', '-----BEGIN RSA PRIVATE KEY-----\nMIIE\n')).toMatch(/private key/);
  expect(what('KEY', '-----BEGIN PRIVATE KEY-----\nMIIE\n')).toMatch(/private key/);
  expect(what('DATABASE_URL', 'postgres://me:secret@db.example.com/x')).toMatch(/"postgres:"/);
  expect(what('REDIS_URL', 'redis://:se/cret@db.example.com')).toMatch(/"redis:"/);
  for (const url of [
    'https://me:secret@example.com/',
    'HTTPS://hooks.example.com/services/T0/B0/abcdefghijkl',
    'http://example.com/?token=abcdefghijkl',
  ]) {
    expect(what('HOOK', url)).toMatch(/a URL/);
    expect(sealingProblem('HOOK', url)?.hint).toContain(`\${credential:HOOK}`);
  }
  expect(what('TOKEN', 'https-is-no-url-here')).toBe(undefined);
  expect(what('AWS_SECRET_ACCESS_KEY', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY')).toMatch(/signs/);
  expect(what('AWS_ACCESS_KEY_ID', 'AKIAIOSFODNN7EXAMPLE')).toBe(undefined);
  expect(what('TOKEN', 'two lines\nof text')).toMatch(/line break/);
});

test.each([
  [`postgres://me:\${credential:PASSWORD}@db.example.com/x`, /a URL of "postgres:", which is not HTTP/],
  [`redis://\${credential:PASSWORD}@db.example.com`, /a URL of "redis:"/],
  [`Server=db;User Id=me;Password=\${credential:PASSWORD}`, /a connection string/],
  [`host=db user=me password=\${credential:PASSWORD}`, /a connection string/],
  [`DefaultEndpointsProtocol=https;AccountName=a;AccountKey=\${credential:KEY}`, /a connection string/],
  [`-----BEGIN PRIVATE KEY-----\n\${credential:KEY}`, /a private key/],
  [`Bearer \${credential:TOKEN}`, undefined],
  [`{"Authorization":"Bearer \${credential:TOKEN}"}`, undefined],
  [`https://me:\${credential:PASSWORD}@api.example.com/?k=v&host=x&port=3`, undefined],
  [`wss://api.example.com/\${credential:TOKEN}`, undefined],
  [`session=\${credential:TOKEN}; theme=dark; host=x`, undefined],
  [`a;b;c`, undefined],
])('[W-SEAL-9] a placeholder inside of %s', (text, expected) => {
  const problem = sealedTextProblem(text);
  if (expected === undefined) expect(problem).toBeUndefined();
  else expect(problem).toMatch(expected);
});

test('[W-SEAL-2] an ambiguous path matches no pattern', () => {
  expect(canonicalPath('/repos/acme/a%20b%C3%A9')).toBe('/repos/acme/a bé');
  expect(canonicalPath('/')).toBe('/');
  expect(canonicalPath('/a/.well-known/..x/x..')).toBe('/a/.well-known/..x/x..');
  const odd = [
    ...[
      '',
      '*',
      'repos',
      '//repos',
      '/a//b',
      '/a/./b',
      '/a/../b',
      '/..',
      '/a/.',
      '/a/%2e%2e/b',
      '/a/%2E',
      '/a/..;/b',
    ],
    ...[
      '/a%2Fb',
      '/a%5cb',
      '/a\\b',
      '/a%00',
      '/a%0a',
      '/a%252fb',
      '/a%25%32%66b',
      '/a%',
      '/a%zz',
      '/a%ff',
      '/a b',
    ],
    ...['/a?b', '/a#b', '/a%3Fb', '/a%23b', '/é'],
  ];
  for (const path of odd) expect([path, canonicalPath(path)]).toEqual([path, undefined]);
});

test('path patterns', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['/repos/acme/**', '/repos/acme/house/issues', true],
    ['/repos/acme/**', '/repos/acme/', true],
    ['/repos/acme/**', '/repos/acme', false],
    ['/repos/acme/**', '/repos/acmeother/x', false],
    ['/repos/*/issues', '/repos/acme/issues', true],
    ['/repos/*/issues', '/repos/acme/house/issues', false],
    ['/**/issues', '/repos/acme/house/issues', true],
    ['/bot*/send*', '/bot123:abc/sendMessage', true],
    ['/bot*/send*', '/bot123/x/sendMessage', false],
    ['/a', '/a', true],
    ['/a', '/A', false],
    ['/a.c', '/abc', false],
    ['/**', '/', true],
    ['/*', '/a/b', false],
    ['/a***b', '/a/x/b', true],
  ];
  for (const [pattern, path, fits] of cases)
    expect([pattern, path, matchesPath(pattern, path)]).toEqual([pattern, path, fits]);
});

test('a malicious pattern is not slow', () => {
  const begun = process.threadCpuUsage().user;
  expect(matchesPath(`/${'**a'.repeat(20)}b`, `/${'a'.repeat(8000)}`)).toBe(false);
  expect(process.threadCpuUsage().user - begun).toBeLessThan(2_000_000);
});
