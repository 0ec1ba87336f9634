import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { trustChecks } from '../../../src/consent/trust-checks.ts';
import { Trusting } from '../../fixtures/trusting.ts';

const READ = { name: 'read', description: 'Reads.' };
const WRITE = { name: 'write', description: 'Writes.' };
/** A server that was accepted, one that nobody has used. */
const PROFILES = ['demo', 'unused'];

async function accepted(): Promise<Trusting> {
  const home = new Trusting();
  using held = await home.open();
  held.listsAll([READ, WRITE]);
  await held.trust.ask('1', undefined).outcome;
  return home;
}

test('W-TRUST-20 what is as it was accepted is no finding, and what is held back is one', async () => {
  using home = await accepted();
  const checks = () => trustChecks(PROFILES, home.service.trust);
  expect(await checks()).toEqual([
    { name: 'trust', state: 'ok', detail: '1 accepted, nothing of them is held back' },
  ]);
  {
    using held = await home.open();
    held.listsAll([READ]);
  }
  expect(await checks()).toMatchObject([{ name: 'trust', state: 'ok' }]);
  {
    using held = await home.open();
    held.listsAll([{ ...READ, description: 'Reads, and more.' }, WRITE, { name: 'send' }]);
  }
  expect(await checks()).toEqual([
    {
      name: 'server of demo',
      state: 'warn',
      detail: 'other than you have accepted: 2 of what it lists are new or changed, and held back',
      hint: '"warder trust diff demo" shows it, "warder trust accept demo" accepts it',
    },
  ]);
});

test.each<[string, (file: string) => void]>([
  ['is changed', (file) => writeFileSync(file, readFileSync(file, 'utf8').replace('Writes.', 'Nothing.'))],
  ['is gone', (file) => rmSync(file)],
])('W-TRUST-21 a record that %s fails', async (_, tamper) => {
  using home = await accepted();
  // Until its number is in the store.
  await home.service.retire();
  tamper(join(home.folder, 'trust/demo.json'));
  await home.daemon().open();
  expect(await trustChecks(PROFILES, home.service.trust)).toMatchObject([
    { name: 'server of demo', state: 'fail', detail: expect.stringContaining('cannot be trusted') },
  ]);
});
