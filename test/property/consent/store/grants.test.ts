import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Grant, GrantBook, type GrantSubject, grantOf } from '../../../../src/consent/store/grants.ts';

const numRuns = process.env.SLOW === undefined ? 1000 : 50_000;

const few = fc.constantFrom('a', 'b');
const subject: fc.Arbitrary<GrantSubject> = fc.record({
  session: few,
  host: few,
  profile: few,
  server: few,
  kind: fc.constantFrom('tools', 'resources'),
  name: fc.constantFrom('get_a', 'get_b', 'GET_A', 'get\u200b_a', 'x'),
  definition: fc.option(few, { nil: undefined }),
  arguments: fc.option(few, { nil: undefined }),
});
const pattern = fc.constantFrom('get_*', '*', 'get_?', 'x', 'GET_*');

/** A grant as the store makes one: for the subject that a person was asked about. */
const grant = fc
  .record({
    of: subject,
    decision: fc.constantFrom<Grant['decision']>('allow', 'deny'),
    extent: fc.oneof(
      fc.constantFrom('arguments', 'name'),
      pattern.map((p) => ({ pattern: p })),
    ),
    isForSession: fc.boolean(),
    until: fc.option(fc.constantFrom(5, 15), { nil: undefined }),
  })
  .map(
    ({ of, decision, extent, isForSession, until }): Omit<Grant, 'id'> => ({
      made: '',
      by: 'terminal',
      ...grantOf(of, { decision, scope: isForSession ? 'session' : 'always', extent }),
      ...(until !== undefined && { until }),
    }),
  );
const grants = fc
  .array(grant, { maxLength: 12 })
  .map((list) => list.map((each, i): Grant => ({ ...each, id: String(i) })));

const NOW = 10;

/** What a grant allows, said once more and simply. */
function allows(each: Grant, about: GrantSubject): boolean {
  const fits =
    each.pattern === undefined
      ? each.name === about.name
      : new RegExp(`^${each.pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'su').test(about.name);
  return (
    each.decision === 'allow' &&
    fits &&
    each.host === about.host &&
    each.profile === about.profile &&
    each.server === about.server &&
    each.kind === about.kind &&
    (each.pattern !== undefined || each.definition === about.definition) &&
    (each.arguments === undefined || each.arguments === about.arguments) &&
    (each.session === undefined || each.session === about.session) &&
    (each.until === undefined || NOW < each.until)
  );
}

test('W-CONS-2 a grant for one host, profile, server, tool, argument set, session or time allows no other', () => {
  fc.assert(
    fc.property(grants, subject, (all, about) => {
      const found = new GrantBook(all).find(about, NOW);
      if (found?.decision === 'allow') expect(allows(found, about)).toBe(true);
      if (found === undefined) expect(all.some((each) => allows(each, about))).toBe(false);
    }),
    { numRuns },
  );
});

test('W-CONS-3 adding a deny never allows more, and the order of grants changes nothing', () => {
  fc.assert(
    fc.property(grants, grant, subject, (all, extra, about) => {
      const before = new GrantBook(all).find(about, NOW)?.decision;
      const reversed = new GrantBook([...all].reverse()).find(about, NOW)?.decision;
      expect(reversed).toBe(before);
      const after = new GrantBook([...all, { ...extra, id: 'x', decision: 'deny' }]).find(
        about,
        NOW,
      )?.decision;
      if (before !== 'allow') expect(after).not.toBe('allow');
    }),
    { numRuns },
  );
});

test('W-CONS-3 a deny holds for every spelling of the name, and for a server that has changed', () => {
  const base: Grant = {
    id: '1',
    made: '',
    by: '',
    decision: 'deny',
    host: 'a',
    profile: 'a',
    server: 'a',
    kind: 'tools',
    name: 'delete_all',
    definition: 'a',
  };
  const about: GrantSubject = { ...base, session: 's', definition: 'b', server: 'b', arguments: 'x' };
  for (const name of ['delete_all', 'DELETE_ALL', 'delete\u200b_all', 'ｄelete_all']) {
    expect(new GrantBook([base]).find({ ...about, name }, NOW)?.id).toBe('1');
    const byPattern = { ...base, name: '', pattern: 'delete_*' };
    expect(new GrantBook([byPattern]).find({ ...about, name }, NOW)?.id).toBe('1');
  }
  expect(new GrantBook([base]).find({ ...about, host: 'b' }, NOW)).toBeUndefined();
});

test('a grant that is removed or over is found no more', () => {
  fc.assert(
    fc.property(grants, subject, (all, about) => {
      const book = new GrantBook(all);
      for (const { id } of all) expect(book.remove(id)).toBe(true);
      expect(book.find(about, NOW)).toBeUndefined();
      expect(book.all(NOW)).toEqual([]);
      expect(book.remove('0')).toBe(false);
    }),
    { numRuns: 100 },
  );
});
