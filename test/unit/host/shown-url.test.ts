import { expect, test } from 'vitest';
import { shownUrl } from '../../../src/host/shown-url.ts';

const TOKEN = 'ghp_0123456789abcdefghijABCDEFGHIJ012345';

test.each([
  [
    'postgresql://reader:hunter2@db.example.com:5432/shop?sslmode=require',
    'postgresql://reader:…@db.example.com:5432/shop?sslmode=require',
  ],
  ['postgres://u:p@h/d', 'postgres://u:…@h/d'],
  ['postgres://u:a?b#c:d@h/d', 'postgres://u:…@h/d'],
  [
    'mongodb://u:secret@a.example.com:27017,b.example.com:27017/x',
    'mongodb://u:…@a.example.com:27017,b.example.com:27017/x',
  ],
  ['redis://:secret@[::1]:6379/0', 'redis://:…@[::1]:6379/0'],
  [`https://${TOKEN}@github.com/me/it`, 'https://…@github.com/me/it'],
  [`https://x:${TOKEN}@github.com/me/it`, 'https://x:…@github.com/me/it'],
  [`https://${TOKEN}:x-oauth-basic@github.com/me/it`, 'https://…:…@github.com/me/it'],
  [`https://mcp.example.com/s/${TOKEN}/sse?a=1`, 'https://mcp.example.com/s/…/sse?a=1'],
  [
    'https://mcp.example.com/sse?api_key=abc&team=red#token=def',
    'https://mcp.example.com/sse?api_key=…&team=red#token=…',
  ],
  [`https://mcp.example.com/?a=1;key=${TOKEN}&b=2`, 'https://mcp.example.com/?a=…&b=2'],
  [`https://mcp.example.com/sse?${TOKEN}`, 'https://mcp.example.com/sse?…'],
  [
    `https://mcp.example.com?next=${encodeURIComponent(`https://x.example.com/?key=${TOKEN}`)}`,
    'https://mcp.example.com?next=…',
  ],
])('only the secret of a URL is hidden: %s', (url, shown) => {
  expect(shownUrl(url)).toBe(shown);
});

test.each([
  'no url',
  '',
  TOKEN,
  // The secret stands in its host too, or where a URL has none.
  `https://${TOKEN}.example.com/?key=${TOKEN}`,
  'https://hunter2.example.com/?key=hunter2',
  'postgres://u:se/cret@h/d?password=x',
  `postgres://h h:${TOKEN}/d`,
])('of what is not understood nothing is shown: %s', (text) => {
  expect(shownUrl(text)).toBeUndefined();
});
