import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { consentChecks } from '../../../src/consent/checks.ts';
import { Pin } from '../../../src/consent/pin.ts';
import { needsPresence, Presence } from '../../../src/consent/presence.ts';

const clock = { now: () => 0, monotonic: () => 0 };
const signal = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), 'warder-presence-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A store in memory. */
function blobs() {
  const kept = new Map<string, Buffer>();
  return {
    get: async (name: string) => kept.get(name),
    set: async (name: string, bytes: Buffer) => void kept.set(name, bytes),
  };
}

function make(polkit: { readonly asks: boolean; readonly isThere: boolean }) {
  let dialogs = 0;
  const store = blobs();
  const pin = new Pin(() => store as never, clock, folder, { N: 2, r: 1, p: 1, maxmem: 2 ** 20 });
  const presence = new Presence(
    pin,
    {
      asks: async () => polkit.asks,
      authenticate: async () => {
        dialogs++;
        return polkit.isThere;
      },
    },
    clock,
  );
  return { presence, dialogs: () => dialogs };
}

test('W-CONS-9 an answer that holds for good, and a credential, need a proof; a no and a first use do not', () => {
  const allow = { decision: 'allow', scope: 'always' } as const;
  expect(needsPresence(allow, 'tools')).toBe(true);
  expect(needsPresence({ ...allow, scope: 'once' }, 'tools')).toBe(false);
  expect(needsPresence({ ...allow, scope: 'once' }, 'credential')).toBe(true);
  expect(needsPresence({ ...allow, scope: { ms: 1000 } }, 'credential')).toBe(true);
  expect(needsPresence({ ...allow, scope: { ms: 86_400_000 } }, 'tools')).toBe(false);
  expect(needsPresence({ ...allow, scope: { ms: 86_400_001 } }, 'tools')).toBe(true);
  expect(needsPresence({ decision: 'deny', scope: { ms: 86_400_001 } }, 'tools')).toBe(false);
  expect(needsPresence({ decision: 'deny', scope: 'always' }, 'credential')).toBe(false);
  expect(needsPresence(allow, 'profile')).toBe(false);
});

test('W-CONS-26 a PIN that is given is judged, and polkit does not ask; without one polkit decides', async () => {
  const { presence, dialogs } = make({ asks: true, isThere: true });
  await presence.setPin('2718', undefined);
  await expect(presence.prove('1111', signal)).rejects.toThrow('that is not the PIN');
  await presence.prove('2718', signal);
  expect(dialogs()).toBe(0);
  await presence.prove(undefined, signal);
  expect(dialogs()).toBe(1);
});

test('W-CONS-26 where neither proves it, the answer is refused, and says what would', async () => {
  const none = make({ asks: false, isThere: false }).presence;
  await expect(none.prove(undefined, signal)).rejects.toMatchObject({
    code: 'refused',
    message: 'this answer needs your PIN',
    hint: 'set one with "warder pin"',
  });
  const { presence } = make({ asks: true, isThere: false });
  await presence.setPin('2718', undefined);
  await expect(presence.prove(undefined, signal)).rejects.toMatchObject({
    message: 'this answer needs your PIN, or your password where polkit asks for it',
    hint: 'it is asked for in a terminal',
  });
});

test('doctor says which ways to ask work here, and how a person proves to be there', async () => {
  const { presence } = make({ asks: false, isThere: false });
  const way = (name: 'desktop' | 'pinentry', works: boolean, detail: string) => ({
    name,
    ask: async () => 'nobody' as const,
    check: async () => ({ works, detail }),
  });
  const settings = { ways: ['host', 'desktop', 'pinentry'] } as const;
  const none = await consentChecks({
    settings,
    ways: [way('desktop', false, 'no program shows notifications'), way('pinentry', false, 'no program')],
    presence,
  });
  expect(none).toMatchObject([
    {
      state: 'warn',
      detail:
        'host (its own dialog, where it has one), desktop (no: no program shows notifications), pinentry (no: no program)',
    },
    { state: 'warn', detail: 'neither polkit nor a PIN' },
  ]);
  await presence.setPin('2718', undefined);
  const ways = [way('pinentry', false, 'no program'), way('pinentry', true, '/usr/bin/ssh-askpass on :0')];
  expect(await consentChecks({ settings: { ways: ['pinentry'] }, ways, presence })).toMatchObject([
    { state: 'ok', detail: 'pinentry (/usr/bin/ssh-askpass on :0)' },
    { state: 'ok', detail: 'a PIN is set' },
  ]);
  const asked = make({ asks: true, isThere: true }).presence;
  expect(await consentChecks({ settings: { ways: [] }, ways: [], presence: asked })).toMatchObject([
    { state: 'warn', detail: 'none: only who watches in a terminal is asked' },
    { state: 'ok', detail: 'polkit asks for your password' },
  ]);
});
