// The table of servers that many people have: every row can be written into a profile, and a value of a variable, which may
// come from anybody's file, opens no more than the row says.
import { describe, expect, test } from 'vitest';
import { known, knownHosts, knownReach, knownServer } from '../../../src/host/known.ts';
import { parseSpec } from '../../../src/package/spec.ts';
import { parseProfile } from '../../../src/profile/format.ts';

const rows = (['npm', 'pypi'] as const).flatMap((registry) =>
  Object.entries(known[registry]).map(([name, knows]) => ({ registry, name, knows })),
);

/** A value of each variable that a row's hosts name. */
function valuesFor(entries: readonly string[]): Record<string, string> {
  const names = entries.flatMap((entry) => [...entry.matchAll(/\{(\w+)/g)].map(([, name = '']) => name));
  return Object.fromEntries(
    names.map((name) => {
      const usual = name.endsWith('URL')
        ? `https://${name.toLowerCase().replaceAll('_', '-')}.example/api/v4`
        : name.endsWith('PORT')
          ? '3307'
          : 'acme';
      return [name, usual];
    }),
  );
}

test('there are the twenty that are used most, and more', () => {
  expect(rows.length).toBeGreaterThan(30);
});

describe.each(rows)('$registry:$name', ({ registry, name, knows }) => {
  test('is the name of a package', () => {
    expect(parseSpec(`${registry}:${name}`)).toMatchObject({ registry, name });
  });

  test('comes to a profile that is valid', () => {
    const { hosts = [], reaches = [], env = {}, secrets = [], as } = knows;
    const values = valuesFor([...hosts, ...reaches]);
    const sealed = knownHosts(knows, values);
    expect(sealed).toHaveLength(hosts.length);
    expect(knownReach(knows, values)).toHaveLength(reaches.length);
    const credentials = Object.fromEntries(
      (secrets.length > 0 ? secrets : ['TOKEN']).map((variable) => [
        variable,
        sealed.length > 0 ? { deliver: 'sealed', hosts: sealed, as } : { deliver: 'env' },
      ]),
    );
    const file = {
      server: { package: `${registry}:${name}${registry === 'npm' ? '@' : '=='}1.0.0` },
      env,
      credentials,
      sandbox: { network: [...sealed, ...knownReach(knows, values)] },
    };
    const profile = parseProfile(JSON.stringify(file), 'f', 'demo');
    expect(profile.credentials.map(({ deliver }) => deliver)).toEqual(
      Object.keys(credentials).map(() => (sealed.length > 0 ? 'sealed' : 'env')),
    );
  });

  test('says no two things about its secrets', () => {
    const { hosts, as, unsealable, secrets = [], env = {}, writesAt = [] } = knows;
    if (unsealable !== undefined) expect([hosts, as]).toEqual([undefined, undefined]);
    if (as !== undefined) expect(hosts).toBeDefined();
    expect(Object.keys(env).filter((variable) => secrets.includes(variable))).toEqual([]);
    for (const variable of writesAt) expect(env[variable]).toMatch(/^~\/.+\/.+/);
  });
});

test('a package of another registry with the same name is another package', () => {
  expect(knownServer('npm', '@modelcontextprotocol/server-github').hosts).toEqual(['api.github.com']);
  expect(knownServer('pypi', '@modelcontextprotocol/server-github')).toEqual({});
  for (const name of ['constructor', '__proto__', 'toString', ''])
    expect(knownServer('npm', name)).toEqual({});
});

const gitlab = { hosts: ['{GITLAB_API_URL:gitlab.com}'] };
const jira = { hosts: ['{SITE}.atlassian.net'] };

test('the host of a URL in a variable stands in place of the usual one', () => {
  expect(knownHosts(gitlab, {})).toEqual(['gitlab.com']);
  expect(knownHosts(gitlab, { GITLAB_API_URL: '' })).toEqual(['gitlab.com']);
  expect(knownHosts(gitlab, { GITLAB_API_URL: 'https://git.acme.example/api/v4' })).toEqual([
    'git.acme.example',
  ]);
  expect(knownHosts(gitlab, { GITLAB_API_URL: 'https://git.acme.example:8443/' })).toEqual([
    'git.acme.example:8443',
  ]);
  expect(knownHosts(jira, { SITE: 'Acme' })).toEqual(['acme.atlassian.net']);
});

test('W-HOST-29 what a variable holds names one host with TLS, or none', () => {
  for (const value of [
    '*',
    '*.example.com',
    'http://git.acme.example/',
    'file:///etc/passwd',
    'https://127.0.0.1/',
    'https://[::1]/',
    'a b',
    'example.com/',
    'example.com#',
    'git.acme.example:80',
    'https://git.acme.example:5432/',
    'https://',
    '$HOST',
    'x'.repeat(300),
    '\u0000',
  ])
    expect([value, knownHosts(gitlab, { GITLAB_API_URL: value })]).toEqual([value, []]);
  for (const value of ['*', 'evil.example:443', 'evil.example/x?', 'evil.example#', 'a@b', '..', '-'])
    expect([value, knownHosts(jira, { SITE: value })]).toEqual([value, []]);
  expect(knownHosts(jira, {})).toEqual([]);
});

test('a port of this machine is reached without TLS, and gets no secret', () => {
  const mysql = { reaches: ['{MYSQL_HOST:127.0.0.1}:{MYSQL_PORT:3306}'] };
  expect(knownReach(mysql, {})).toEqual(['127.0.0.1:3306']);
  expect(knownReach(mysql, { MYSQL_HOST: 'db.acme.example', MYSQL_PORT: '3307' })).toEqual([
    'db.acme.example:3307',
  ]);
  expect(knownReach(mysql, { MYSQL_HOST: '/run/mysqld/mysqld.sock' })).toEqual([]);
});
