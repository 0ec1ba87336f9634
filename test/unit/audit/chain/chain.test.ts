import { expect, test } from 'vitest';
import { canonical, type Json } from '../../../../src/audit/chain/canonical.ts';
import { Chain, check, ORIGIN } from '../../../../src/audit/chain/chain.ts';
import { sha256 } from '../../../../src/audit/chain/hash.ts';
import { nextLine } from '../../../fixtures/chain-line.ts';

const TIME = '2026-01-02T03:04:05.678Z';

test('a line is the record in canonical form, with the hash of the record without it', () => {
  const chain = new Chain(sha256, ORIGIN);
  const { line, head } = nextLine(chain, 'tool.call', TIME, { tool: 'get', id: '0', arguments: '{}' });
  const rest = `"id":"0","prev":"${'0'.repeat(64)}","seq":1,"time":"2026-01-02T03:04:05.678Z","tool":"get"}`;
  const hash = sha256(`{"arguments":"{}","event":"tool.call",${rest}`);
  expect(line).toBe(`{"arguments":"{}","event":"tool.call","hash":"${hash}",${rest}\n`);
  expect(head).toEqual({ seq: 1, hash });
});

test('a record links to the head, which does not change until it is set', () => {
  const chain = new Chain(sha256, ORIGIN);
  const one = nextLine(chain, 'a', TIME, {});
  expect(nextLine(chain, 'a', TIME, {})).toEqual(one);
  chain.head = one.head;
  const two = check(nextLine(chain, 'b', TIME, {}).line.trimEnd(), sha256);
  expect(two.entry).toMatchObject({ seq: 2, prev: one.head.hash });
});

test('records of one event may have different members', () => {
  const chain = new Chain(sha256, ORIGIN);
  for (const fields of [{ b: 1, z: 2 }, { z: 2, b: 1 }, { b: 1, reason: 'x' }, { b: undefined, a: 1 }, {}]) {
    const { entry } = check(nextLine(chain, 'a', TIME, fields).line.trimEnd(), sha256);
    expect(entry).toMatchObject(JSON.parse(JSON.stringify(fields)));
  }
});

test('a record cannot use the names that the chain reserves', () => {
  const chain = new Chain(sha256, ORIGIN);
  for (const name of ['seq', 'time', 'event', 'prev', 'hash']) {
    expect(() => nextLine(chain, 'a', TIME, { [name]: 'x' })).toThrowError(
      expect.objectContaining({ code: 'audit-unwritable' }),
    );
  }
});

test.each([0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, -(2 ** 53)])(
  '%d is no number of a record',
  (number) => {
    expect(() => canonical({ a: [number] })).toThrowError(
      expect.objectContaining({ code: 'audit-unwritable' }),
    );
  },
);

test('deep nesting is refused, and does not exhaust the stack', () => {
  let value: Json = 1;
  for (let i = 0; i < 100; i += 1) value = [value];
  expect(() => canonical(value)).toThrowError(expect.objectContaining({ code: 'audit-unwritable' }));
  const hostile = `{"seq":1,"time":"","event":"a","prev":"${ORIGIN.hash}","hash":"${ORIGIN.hash}","x":${'['.repeat(1e5)}${']'.repeat(1e5)}}`;
  expect(check(hostile, sha256).entry).toBeUndefined();
});

test('lone surrogates become U+FFFD', () => {
  expect(canonical('a\ud800b\udc00')).toBe('"a\ufffdb\ufffd"');
});
