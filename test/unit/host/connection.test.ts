// Where a connection string leads, whatever else is in it.
import { expect, test } from 'vitest';
import { connectionHosts } from '../../../src/host/connection.ts';

test.each([
  ['postgresql://reader:pass@db.example.com:6543/shop?sslmode=require', ['db.example.com:6543']],
  ['postgres://reader:p%40ss@DB.example.com/shop', ['db.example.com:5432']],
  ['mysql://root:secret@127.0.0.1/shop', ['127.0.0.1:3306']],
  ['redis://:secret@localhost:6380', ['localhost:6380']],
  ['mongodb://u:p@a.example.com:27017,b.example.com/db', ['a.example.com:27017', 'b.example.com:27017']],
])('%s', (value, hosts) => {
  expect(connectionHosts(value)).toEqual(hosts);
});

test.each([
  'https://u:p@example.com/',
  'mongodb+srv://u:p@cluster0.abcde.mongodb.net/',
  'postgres://u:p@*.example.com/',
  'postgres://u:p@*/',
  'postgres://u:p@10.0.0.1/',
  'postgres://u:p@[::1]:5432/',
  'postgres://u:p@h:99999/',
  'postgres://u:p@',
  'postgres:///var/run',
  'constructor://u:p@example.com',
  '__proto__://u:p@example.com',
  'not a url',
  '',
])('nothing of %j', (value) => {
  expect(connectionHosts(value)).toEqual([]);
});

test('what is before the last @ is no host', () => {
  expect(connectionHosts('postgres://u:evil.example.com@x@db.example.com/')).toEqual(['db.example.com:5432']);
});
