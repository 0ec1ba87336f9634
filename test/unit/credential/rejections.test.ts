import { expect, test } from 'vitest';
import { Rejections } from '../../../src/credential/rejections.ts';

const told: object[] = [];
let now = 1000;

function open(): Rejections {
  told.length = 0;
  now = 1000;
  const warn = (fields: object, message: string): void => void told.push({ ...fields, message });
  return new Rejections({ debug() {}, info() {}, warn, error() {} }, () => now);
}

const token = { name: 'github/token', version: 'v1' };
const host = 'api.github.com';

test.each([401, 403])('a response of %i rejects a credential, and is logged once', (status) => {
  const doubts = open();
  doubts.record(token, status, host);
  now = 2000;
  doubts.record(token, status, host);
  expect(doubts.all).toEqual([{ ...token, host, status, since: 1000 }]);
  expect(told).toEqual([
    {
      credential: token.name,
      version: 'v1',
      host,
      status,
      message: expect.stringMatching(/may have expired/),
    },
  ]);
});

test.each([200, 204, 302, 404, 429, 500])('a response of %i does not reject it', (status) => {
  const doubts = open();
  doubts.record(token, status, host);
  expect(doubts.all).toEqual([]);
  expect(told).toEqual([]);
});

test('it is cleared when the host accepts the credential again, and by no other host or failure', () => {
  const doubts = open();
  doubts.record(token, 401, host);
  doubts.record(token, 200, 'other.example.com');
  doubts.record(token, 404, host);
  doubts.record(token, 500, host);
  doubts.record({ ...token, name: 'other/token' }, 200, host);
  expect(doubts.all).toHaveLength(1);
  doubts.record(token, 200, host);
  expect(doubts.all).toEqual([]);
});

test('another version, status or host is another rejection, with its own time', () => {
  const doubts = open();
  doubts.record(token, 401, host);
  now = 2000;
  doubts.record({ ...token, version: 'v2' }, 401, host);
  expect(doubts.all).toEqual([{ name: token.name, version: 'v2', host, status: 401, since: 2000 }]);
  now = 3000;
  doubts.record({ ...token, version: 'v2' }, 403, host);
  expect(doubts.all).toMatchObject([{ status: 403, since: 3000 }]);
  doubts.record({ ...token, version: 'v2' }, 403, 'other.example.com');
  expect(doubts.all).toMatchObject([{ host: 'other.example.com' }]);
  expect(told).toHaveLength(4);
});

test('a new value clears it, for that credential only', () => {
  const doubts = open();
  doubts.record(token, 401, host);
  doubts.record({ ...token, name: 'other/token' }, 401, host);
  doubts.clear(token.name);
  doubts.clear('unknown');
  expect(doubts.all).toMatchObject([{ name: 'other/token' }]);
});
