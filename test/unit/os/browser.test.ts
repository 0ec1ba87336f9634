import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { type BrowserParts, pageUrl, userBrowser } from '../../../src/os/browser.ts';
import type { SpawnOptions } from '../../../src/os/spawn.ts';

const folder = mkdtempSync(join(tmpdir(), 'warder-browser-'));
const program = join(folder, 'browser');
writeFileSync(program, '#!/bin/sh\n', { mode: 0o700 });
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  ['https://auth.example.com/authorize?a=1&b=%20', 'https://auth.example.com/authorize?a=1&b=%20'],
  ['https://auth.example.com', 'https://auth.example.com/'],
  ['HTTPS://AUTH.example.com/A', 'https://auth.example.com/A'],
  // Nothing of it is read by a shell, whichever program passes it on.
  [
    'https://a.example/x?q=$(id)`id`;id|id\'"<>\\{}^!*',
    'https://a.example/x?q=%24%28id%29%60id%60%3Bid%7Cid%27%22%3C%3E%5C%7B%7D%5E%21%2A',
  ],
  ['https://a.example/x y', 'https://a.example/x%20y'],
  // A name that looks like another is shown as what it is.
  ['https://аррӏе.com/', 'https://xn--80ak6aa92e.com/'],
])('W-AUTH-39 %j is shown and opened as %j', (text, expected) => {
  expect(pageUrl(text, { loopback: false })).toBe(expected);
});

test.each([
  'javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  ' javascript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'file:///etc/passwd',
  'http://auth.example.com/',
  'http://169.254.169.254/latest/meta-data/',
  'ftp://auth.example.com/',
  'ms-settings:privacy',
  'vscode://file/etc/passwd',
  'blob:https://a.example/x',
  'https://accounts.google.com@evil.example/',
  'https://user:password@auth.example.com/',
  '--help',
  '-a Calculator',
  '/etc/passwd',
  '',
  `https://a.example/${'x'.repeat(20_000)}`,
])('W-AUTH-39 %j is opened by nobody', (text) => {
  expect(() => pageUrl(text, { loopback: true })).toThrow(
    expect.objectContaining({ code: 'sign-in-failed' }),
  );
});

test('W-AUTH-39 http is for this machine, where the profile says so', () => {
  for (const text of ['http://127.0.0.1:8080/a', 'http://localhost/a', 'http://[::1]:1/a']) {
    expect(pageUrl(text, { loopback: true })).toBe(text);
    expect(() => pageUrl(text, { loopback: false })).toThrow(
      expect.objectContaining({ code: 'sign-in-failed' }),
    );
  }
});

function browser(more: Partial<BrowserParts> = {}, code: number | undefined = 0) {
  const started: SpawnOptions[] = [];
  const parts: BrowserParts = {
    platform: 'linux',
    command: [program, '--private'],
    environment: async () => ({ DISPLAY: ':0' }),
    hasDesktop: () => true,
    spawn: async (options) => {
      started.push(options);
      return {
        pid: 1,
        stdin: new PassThrough(),
        stdout: new PassThrough(),
        direct: undefined,
        isRead: false,
        stderr: new PassThrough(),
        stdio: [],
        ended: code === undefined ? new Promise(() => {}) : Promise.resolve({ code, signal: null }),
      };
    },
    ...more,
  };
  return { browser: userBrowser(parts), started };
}

test('W-AUTH-39 the page is the last argument of a program, and no shell reads it', async () => {
  const { browser: opened, started } = browser();
  expect(await opened.open('https://a.example/?x=1&y=2')).toBe(true);
  expect(started).toEqual([
    { file: program, args: ['--private', 'https://a.example/?x=1&y=2'], cwd: '/', env: { DISPLAY: ':0' } },
  ]);
});

test('a program that fails has shown nothing; one that stays has', async () => {
  expect(await browser({}, 3).browser.open('https://a.example/')).toBe(false);
  expect(
    await browser({ spawn: async () => Promise.reject(new Error('ENOENT')) }).browser.open(
      'https://a.example/',
    ),
  ).toBe(false);
  expect(await browser({}, undefined).browser.open('https://a.example/')).toBe(true);
});

test('there is no browser without a desktop, unless the user has set a program', async () => {
  const none = browser({ command: undefined, hasDesktop: () => false }).browser;
  expect(none.isPossible()).toBe(false);
  expect(
    await browser({ command: undefined, environment: async () => undefined }).browser.open(
      'https://a.example/',
    ),
  ).toBe(false);
  const own = browser({ hasDesktop: () => false, environment: async () => undefined });
  expect(own.browser.isPossible()).toBe(true);
  expect(await own.browser.open('https://a.example/')).toBe(true);
  expect(own.started[0]?.env).toEqual({});
});

test('a program that others can change is none', () => {
  const other = join(folder, 'other');
  writeFileSync(other, '#!/bin/sh\n');
  chmodSync(other, 0o777);
  expect(browser({ command: [other] }).browser.isPossible()).toBe(false);
  expect(browser({ command: [join(folder, 'missing')] }).browser.isPossible()).toBe(false);
});
