import { expect, test } from 'vitest';
import { candidates, parseSearchList } from '../../../../src/egress/names/search-list.ts';

test.each([
  ['', { domains: [], ndots: 1 }],
  [
    'nameserver 10.0.0.1\nsearch corp.test Dev.Corp.Test.\n',
    { domains: ['corp.test', 'dev.corp.test'], ndots: 1 },
  ],
  ['domain corp.test\n', { domains: ['corp.test'], ndots: 1 }],
  ['search a.test\ndomain b.test\n', { domains: ['b.test'], ndots: 1 }],
  [
    'search a.test # not this\n; search c.test\noptions edns0 ndots:5 rotate',
    { domains: ['a.test'], ndots: 5 },
  ],
  ['options ndots:99', { domains: [], ndots: 15 }],
  ['search a b c d e f g h', { domains: ['a', 'b', 'c', 'd', 'e', 'f'], ndots: 1 }],
  ['search', { domains: [], ndots: 1 }],
])('%j', (text, list) => {
  expect(parseSearchList(text)).toEqual(list);
});

test('a name with few dots is tried below the domains first, as it is last; others the other way', () => {
  const list = { domains: ['ns.svc.test', 'svc.test'], ndots: 1 };
  expect(candidates('db', list)).toEqual(['db.ns.svc.test', 'db.svc.test', 'db']);
  expect(candidates('api.test', list)).toEqual(['api.test', 'api.test.ns.svc.test', 'api.test.svc.test']);
  expect(candidates('api.test', { ...list, ndots: 5 }).at(-1)).toBe('api.test');
  expect(candidates('api.test', { domains: [], ndots: 1 })).toEqual(['api.test']);
  expect(candidates('a.test', { domains: ['x'.repeat(250)], ndots: 1 })).toEqual(['a.test']);
});
