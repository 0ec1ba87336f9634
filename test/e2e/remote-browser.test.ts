// Signing in with Debian's Chromium: the whole way through a real authorization server, two windows at once, a tab that is
// closed, and what pages of other origins can do to the loopback redirect meanwhile.
import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Authorization, startAuthorization } from '../fixtures/remote/authorization.ts';
import { type RemoteMcp, startMcp } from '../fixtures/remote/mcp.ts';
import { listenAt } from '../fixtures/remote/place.ts';
import { RemoteHome } from '../fixtures/remote/signing-in.ts';

const executablePath = '/usr/bin/chromium';
/** The pages of oidc-provider would load fonts. */
const OFFLINE = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1';
let browser: Browser;
let authorization: Authorization;
let server: RemoteMcp;

beforeAll(async () => {
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', OFFLINE] });
  authorization = await startAuthorization();
  server = await startMcp({ guard: (url) => authorization.guard(url) });
});

afterAll(async () => {
  await browser?.close();
  await server?.[Symbol.asyncDispose]();
  await authorization?.[Symbol.asyncDispose]();
});

test('the browser that is tested is installed', () => {
  expect(existsSync(executablePath)).toBe(true);
});

async function opened(): Promise<RemoteHome> {
  const warder = await RemoteHome.open();
  warder.profile('remote', server.url);
  return warder;
}

/** Fills in what the authorization server asks for, up to its consent page. */
async function fillIn(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.fill('input[name=login]', 'alice');
  await page.fill('input[name=password]', 'a password');
  await page.click('button[type=submit]');
  await page.waitForSelector('input[name=prompt][value=consent]', { state: 'attached' });
}

async function consent(page: Page): Promise<void> {
  await page.click('button[type=submit]');
  await page.waitForURL((url) => url.hostname === '127.0.0.1' && url.searchParams.has('code'));
}

test('W-AUTH-38 a person signs in, and the page that is left says that it may be closed', async () => {
  await using warder = await opened();
  const login = warder.login('remote');
  const page = await browser.newPage();
  const faults: string[] = [];
  const url = await warder.nextPage();
  const { origin } = new URL(new URL(url).searchParams.get('redirect_uri') ?? '');
  page.on('console', (message) => {
    if (message.location().url.startsWith(origin)) faults.push(message.text());
  });
  await fillIn(page, url);
  page.on('pageerror', (error) => faults.push(error.message));
  await consent(page);
  expect((await login).code).toBe(0);
  expect(await page.textContent('body')).toMatch(/close/i);
  expect(faults).toEqual([]);
  await page.close();
  await using host = warder.home.run('remote');
  await host.initialize();
  expect(await host.call('sum', { a: 1, b: 2 })).toBe('3');
});

test('W-AUTH-37 two windows at once: one of them counts, and the tokens are asked for once', async () => {
  await using warder = await opened();
  const exchanged = authorization.count('POST /token');
  const login = warder.login('remote');
  const url = await warder.nextPage();
  const windows = await Promise.all([browser.newContext(), browser.newContext()]);
  const pages = await Promise.all(windows.map((window) => window.newPage()));
  for (const page of pages) await fillIn(page, url);
  await Promise.all(
    pages.map(async (page) => {
      await page.click('button[type=submit]');
      await page.waitForLoadState('load').catch(() => {});
    }),
  );
  expect((await login).code).toBe(0);
  expect(authorization.count('POST /token')).toBe(exchanged + 1);
  for (const window of windows) await window.close();
});

test('W-AUTH-40 a tab that is closed leaves nothing behind: the next sign-in is whole', async () => {
  await using warder = await opened();
  const login = warder.home.warder(['login', 'remote', '--yes']);
  const first = await warder.nextPage();
  const page = await browser.newPage();
  await fillIn(page, first);
  await page.close();
  // Somebody tries again, from another terminal: it is the same sign-in, and its page is opened once more.
  const again = warder.login('remote');
  const second = await browser.newPage();
  await fillIn(second, await warder.nextPage());
  await consent(second);
  expect((await again).code).toBe(0);
  expect((await login).code).toBe(0);
  await second.close();
  await using host = warder.home.run('remote');
  await host.initialize();
  expect(await host.call('sum', { a: 1, b: 2 })).toBe('3');
});

test('W-AUTH-37 a page of another origin can knock at the redirect in no way that counts', async () => {
  await using warder = await opened();
  await using evil = await listenAt((request, response) => {
    const target = new URL(request.url ?? '', 'http://127.0.0.1').searchParams.get('to') ?? '';
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(`<img src="${target}"><iframe name="inner" src="${target}"></iframe>
      <form method="post" target="inner" action="${target}"></form>
      <script>fetch(${JSON.stringify(target)}, {mode: 'no-cors'}).catch(() => {}); document.forms[0].submit()</script>`);
  });
  const exchanged = authorization.count('POST /token');
  const login = warder.login('remote');
  const url = await warder.nextPage();
  const { searchParams } = new URL(url);
  const forged = new URL(searchParams.get('redirect_uri') ?? '');
  forged.search = new URLSearchParams({
    code: 'forged',
    state: searchParams.get('state') ?? '',
    iss: authorization.issuer,
  }).toString();
  const page = await browser.newPage();
  await page.goto(`${evil.origin}/?to=${encodeURIComponent(forged.href)}`, { waitUntil: 'load' });
  await page.waitForTimeout(500);
  await page.close();
  expect(authorization.count('POST /token')).toBe(exchanged);
  // The user's own answer still counts.
  const own = await browser.newPage();
  await fillIn(own, url);
  await consent(own);
  expect((await login).code).toBe(0);
  await own.close();
});
