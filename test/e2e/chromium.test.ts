// Debian's Chromium, headless, in a sandbox with the gate and a sealed credential. It has sockets of its own, finds names and
// hosts through the gate, and trusts the session's authority by a policy: it reads neither variables nor the system's bundle.
import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Home } from '../fixtures/home.ts';
import { handOver, Inside, Internet, listed, outward, persons, range, runAs } from '../fixtures/internet.ts';
import type { Upstream } from '../fixtures/upstream.ts';

const chromium = '/usr/bin/chromium';
const secret = `sk-${randomBytes(24).toString('hex')}`;
const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--virtual-time-budget=5000', '--dump-dom'];

test('the browser that is tested is installed', () => {
  expect(existsSync(chromium)).toBe(true);
});

describe.each(persons)('as $name', (person) => {
  let internet: Internet;
  let home: Home;
  let inside: Inside;
  let api: Upstream;
  let open: Upstream;
  let token = '';

  beforeAll(async () => {
    internet = await Internet.open();
    api = await internet.host(['api.test']);
    open = await internet.host(['open.test']);
    home = new Home({ within: runAs(person) });
    internet.join(home);
    writeFileSync(join(home.dir, 'secret'), secret);
    home.profile('browser', {
      server: outward,
      credentials: {
        TOKEN: {
          from: { command: ['/bin/cat', join(home.dir, 'secret')] },
          hosts: [listed(api)],
          as: 'query',
        },
      },
      sandbox: { network: [listed(open), range(api), range(open)] },
      policy: { default: 'allow' },
    });
    handOver(home, person);
    inside = await Inside.open(home.run('browser'), [secret]);
    token = (await inside.see()).env.TOKEN ?? '';
  });

  afterAll(async () => {
    await inside?.[Symbol.asyncDispose]();
    await home?.[Symbol.asyncDispose]();
    await internet?.[Symbol.asyncDispose]();
  });

  test('W-SEAL-1 it loads a page of a sealed host, and of one that is only listed', async () => {
    const sealed = await inside.out([chromium, ...flags, `${api.url}/echo?key=${token}`]);
    expect(sealed).toContain(token);
    expect(api.requests.at(-1)?.target).toContain(`key=${secret}`);
    const passed = await inside.out([chromium, ...flags, `${open.url}/echo`]);
    expect(passed).toContain('open.test');
  });

  test('W-EGR-1 it reaches no other host', async () => {
    const { stdout } = await inside.run([chromium, ...flags, 'https://refused.test/echo']);
    expect(stdout).not.toContain('refused.test:');
    expect(home.audit('egress.connect')).toContainEqual(
      expect.objectContaining({ host: 'refused.test', outcome: 'refused' }),
    );
  });
});
