import { describe, expect, test } from 'vitest';
import { aboutTool, claimsOf, looksReadOnly } from '../../../src/commands/policy/tool-claims.ts';

const tool = (name: string, annotations: Record<string, boolean> = {}) => ({
  name,
  title: undefined,
  description: undefined,
  annotations,
});

describe('a tool looks as if it only looked', () => {
  test.each(['get_issue', 'list_commits', 'githubListCommits', 'read-file', 'search', 'github.search.code'])(
    '%s, by its name',
    (name) => expect(looksReadOnly(tool(name))).toBe(true),
  );

  test.each([
    'delete_repo',
    'get_or_create_issue',
    'read_and_delete',
    'run_search',
    'query',
    'frobnicate',
    '',
    'gеt_issue', // a Cyrillic letter
  ])('%s does not', (name) => expect(looksReadOnly(tool(name))).toBe(false));

  test('what the server claims counts for names that say nothing', () => {
    expect(looksReadOnly(tool('frobnicate', { readOnlyHint: true }))).toBe(true);
    expect(looksReadOnly(tool('get_issue', { readOnlyHint: false }))).toBe(false);
    expect(looksReadOnly(tool('get_issue', { destructiveHint: true }))).toBe(false);
  });

  test('a claim does not make a name that changes things one that looks', () => {
    expect(looksReadOnly(tool('delete_repo', { readOnlyHint: true }))).toBe(false);
  });
});

test('a description is shown by its first line, and no longer than a line', () => {
  expect(aboutTool({ ...tool('a'), title: 'A', description: ' first \nsecond' })).toBe('A: first');
  expect(aboutTool({ ...tool('a'), title: 'a', description: 'x'.repeat(500) })).toBe(`${'x'.repeat(51)}…`);
  expect(aboutTool(tool('a'))).toBe('');
});

test('annotations are shown as what the server claims', () => {
  expect(claimsOf(tool('a', { readOnlyHint: true }))).toBe('claims: changes nothing');
  expect(claimsOf(tool('a', { readOnlyHint: false, destructiveHint: true, openWorldHint: true }))).toBe(
    'claims: may destroy, reaches others',
  );
  expect(claimsOf(tool('a'))).toBeUndefined();
});
