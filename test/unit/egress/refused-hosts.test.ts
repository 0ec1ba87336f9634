import { expect, test } from 'vitest';
import { allowingCommand, RefusedHosts, refusedName, sumUpHosts } from '../../../src/egress/refused-hosts.ts';

const NOT_LISTED = 'not listed';

test.each([
  ['supabase.com', 53, NOT_LISTED, 'supabase.com'],
  ['supabase.com', 443, NOT_LISTED, 'supabase.com'],
  ['db.test', 5432, NOT_LISTED, 'db.test:5432'],
  ['db.test', 5432, 'resolves to 10.0.0.5, a private address', '10.0.0.5/32'],
  ['db.test', 443, 'resolves to fd00::5, a private address', 'fd00::5/128'],
  ['db.test', 443, "resolves to 169.254.169.254, a cloud's metadata service", undefined],
  ['db.test', 443, 'resolves to 0.0.0.0, an unspecified address', undefined],
  ['10.0.0.1', 443, NOT_LISTED, undefined],
  ['a?b;rm -rf.test', 53, NOT_LISTED, undefined],
  ['api.test', 443, 'its TLS names another host', undefined],
])('%s:%i, which is %s, is allowed by %s', (host, port, reason, entry) => {
  expect(allowingCommand('demo', { host, port, reason })).toBe(entry && `warder allow demo ${entry}`);
});

test('refusals of a host are added up; a look-up and its usual ports are one', () => {
  const one = { host: 'a.test', reason: NOT_LISTED, count: 2 };
  const sum = sumUpHosts([
    { ...one, port: 53 },
    { ...one, port: 443, count: 1 },
    { ...one, port: 9000 },
  ]);
  expect(sum.map((refused) => [refusedName(refused), refused.count])).toEqual([
    ['a.test', 3],
    ['a.test:9000', 2],
  ]);
});

test('a host is told once, with the command that allows it; after some nothing more is said', () => {
  const told: string[] = [];
  const refused = new RefusedHosts('demo', (line) => told.push(line));
  for (let times = 0; times < 3; times++) refused.add('supabase.com', 53, NOT_LISTED);
  refused.add('api.test', 443, 'its TLS names another host');
  expect(told).toEqual([
    'warder: demo: supabase.com was refused: not listed; to allow it: warder allow demo supabase.com',
  ]);
  expect(refused.all).toEqual([{ host: 'supabase.com', port: 53, reason: NOT_LISTED, count: 3 }]);
  for (let index = 0; index < 500; index++) refused.add(`n${index}.test`, 53, NOT_LISTED);
  expect(told).toHaveLength(16);
  expect(told.at(-1)).toContain('others are refused without a word here');
  expect(refused.all).toHaveLength(64);
});
