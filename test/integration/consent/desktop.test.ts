// Notifications: two real programs that show them, on an X server of the test's own, and one that is hostile.
import type { MessageBus } from 'dbus-native';
import { expect, test } from 'vitest';
import type { Answer } from '../../../src/consent/questions/answer.ts';
import { freedesktopWay } from '../../../src/consent/ways/freedesktop.ts';
import { type Desktop, openDesktop } from '../../fixtures/desktop.ts';
import { until } from '../../fixtures/echo-home.ts';
import { makeQuestion } from '../../fixtures/question.ts';
import { SessionBus } from '../../fixtures/session-bus.ts';

const NAME = 'org.freedesktop.Notifications';
const DENY: Answer = { decision: 'deny', scope: 'once', extent: 'arguments' };
const ALLOW: Answer = { decision: 'allow', scope: 'once', extent: 'arguments' };

/** A clock whose every reading is a second later: nobody answers too fast. */
function slowClock() {
  let now = 0;
  return {
    now: () => now,
    monotonic: () => {
      now += 1000;
      return now;
    },
  };
}

const NO_PRESENCE = { polkitAsks: async () => false, authenticate: async () => false };

function wayOn(bus: SessionBus, over: Partial<Parameters<typeof freedesktopWay>[0]> = {}) {
  return freedesktopWay({
    // No other bus of this machine.
    bus: { env: { DBUS_SESSION_BUS_ADDRESS: bus.address }, home: '/nonexistent', uid: 4_000_000_000 },
    clock: slowClock(),
    presence: NO_PRESENCE,
    ...over,
  });
}

function shown(desktop: Desktop): Promise<void> {
  return desktop.bus.patiently('notification', async () => {
    if (!(await desktop.isShown())) throw new Error('nothing is shown');
  });
}

test.each(['dunst', 'xfce4-notifyd'] as const)(
  '%s: a person denies, allows, and sees a question vanish that was answered elsewhere',
  async (notifier) => {
    await using desktop = await openDesktop(notifier);
    const way = wayOn(desktop.bus);
    expect(way.isPossible?.()).toBe(true);
    for (const [label, answer] of [
      ['Deny', DENY],
      ['Allow once', ALLOW],
    ] as const) {
      const asked = way.ask(
        makeQuestion({ name: 'a<b>&"', arguments: '{"<img src=x>":"&amp;</b><i>"}' }),
        new AbortController().signal,
      );
      await shown(desktop);
      // The buttons may not be drawn yet.
      let isAnswered = false;
      void asked.finally(() => {
        isAnswered = true;
      });
      await until(async () => {
        if (!isAnswered) await desktop.press(notifier, label).catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, 200));
        return isAnswered;
      }, 'an answer');
      expect(await asked).toEqual(answer);
      await until(async () => !(await desktop.isShown()), 'the notification is gone');
    }
    const elsewhere = new AbortController();
    const asked = way.ask(makeQuestion(), elsewhere.signal);
    await shown(desktop);
    elsewhere.abort();
    expect(await asked).toBe('nobody');
    await until(async () => !(await desktop.isShown()), 'the notification is gone');
  },
);

test('W-CONS-5 without a bus, and on one where nothing shows notifications, nobody is there', async () => {
  await using bus = await SessionBus.open();
  const { signal } = new AbortController();
  expect(await wayOn(bus).ask(makeQuestion(), signal)).toBe('nobody');
  const none = wayOn(bus, { bus: { env: {}, home: '/nonexistent', uid: 4_000_000_000 } });
  expect(none.isPossible?.()).toBe(false);
  expect(await none.ask(makeQuestion(), signal)).toBe('nobody');
});

interface FakeOptions {
  readonly capabilities?: unknown;
  /** What it does once it has taken a notification. */
  readonly does?: (fake: Fake, id: number) => void | Promise<void>;
  readonly id?: number;
}

/** A program that shows notifications as a test wants it. */
class Fake {
  readonly bus: MessageBus;
  readonly bodies: string[] = [];
  readonly actions: string[][] = [];
  readonly closed: number[] = [];
  #next: number;

  constructor(bus: MessageBus, { capabilities = ['actions', 'body'], does, id = 7 }: FakeOptions) {
    this.bus = bus;
    this.#next = id;
    const service = {
      GetCapabilities: () => capabilities,
      Notify: (
        _app: string,
        _replaces: number,
        _icon: string,
        _summary: string,
        body: string,
        actions: string[],
      ) => {
        this.bodies.push(body);
        this.actions.push(actions);
        const taken = this.#next++;
        setImmediate(() => void does?.(this, taken));
        return taken;
      },
      CloseNotification: (taken: number) => {
        this.closed.push(taken);
        return null;
      },
    };
    bus.exportInterface(service, '/org/freedesktop/Notifications', {
      name: NAME,
      methods: {
        GetCapabilities: ['', 'as', [], ['capabilities']],
        Notify: ['susssasa{sv}i', 'u', [], ['id']],
        CloseNotification: ['u', '', ['id'], []],
      },
    });
  }

  signal(member: string, signature: string, ...body: unknown[]): void {
    this.bus.sendSignal('/org/freedesktop/Notifications', NAME, member, signature, body);
  }

  press(id: number, key: string): void {
    this.signal('ActionInvoked', 'us', id, key);
  }
}

async function openFake(bus: SessionBus, options: FakeOptions = {}): Promise<Fake> {
  const connection = await bus.connect();
  const fake = new Fake(connection, options);
  await connection.requestName(NAME, 0);
  return fake;
}

test('W-CONS-21 keys that were not offered, other notifications and other programs answer nothing', async () => {
  await using bus = await SessionBus.open();
  const other = await bus.connect();
  const fake = await openFake(bus, {
    does(fake, id) {
      for (const key of ['allow', 'default', '', 'allow-once ', 'ALLOW-ONCE']) fake.press(id, key);
      fake.press(id + 1, 'allow-once');
      fake.press(0, 'allow-once');
      fake.signal('NotificationClosed', 'uu', id + 1, 2);
      fake.signal('ActionInvoked', 's', 'allow-once');
      fake.signal('ActionInvoked', 'su', 'allow-once', id);
      fake.signal('Answered', 'us', id, 'allow-once');
      // As the program that shows it would, but from another connection.
      other.sendSignal('/org/freedesktop/Notifications', NAME, 'ActionInvoked', 'us', [id, 'allow-once']);
      setTimeout(() => fake.press(id, 'deny'), 200);
    },
  });
  expect(await wayOn(bus).ask(makeQuestion(), new AbortController().signal)).toEqual(DENY);
  expect(fake.closed).toEqual([7]);
});

test('W-CONS-20 a yes that was not offered does not count', async () => {
  await using bus = await SessionBus.open();
  const fake = await openFake(bus, {
    does(fake, id) {
      fake.press(id, 'allow-once');
      fake.press(id, 'allow-session');
      fake.signal('NotificationClosed', 'uu', id, 2);
    },
  });
  const long = makeQuestion({ arguments: JSON.stringify({ text: 'x'.repeat(10_000) }) });
  expect(await wayOn(bus).ask(long, new AbortController().signal)).toBe('nobody');
  expect(fake.actions).toEqual([['deny', 'Deny', 'details', 'In a terminal']]);
});

test('W-CONS-22 a yes before anybody can have read the question does not count', async () => {
  await using bus = await SessionBus.open();
  await openFake(bus, { does: (fake, id) => fake.press(id, 'allow-once') });
  const clock = { now: () => 0, monotonic: () => 0 };
  expect(await wayOn(bus, { clock }).ask(makeQuestion(), new AbortController().signal)).toBe('nobody');
});

test('one that is dismissed, expires, or whose program ends is no answer', async () => {
  for (const reason of [1, 2, 3, 4, 99]) {
    await using bus = await SessionBus.open();
    await openFake(bus, { does: (fake, id) => fake.signal('NotificationClosed', 'uu', id, reason) });
    expect(await wayOn(bus).ask(makeQuestion(), new AbortController().signal)).toBe('nobody');
  }
  await using bus = await SessionBus.open();
  await openFake(bus, { does: (fake) => fake.bus.close() });
  expect(await wayOn(bus).ask(makeQuestion(), new AbortController().signal)).toBe('nobody');
});

test.each<[string, FakeOptions]>([
  ['no actions', { capabilities: ['body'] }],
  ['no body', { capabilities: ['actions'] }],
  ['no number', { id: 0 }],
])('W-CONS-5 a program that can show no question is nobody: %s', async (_, options) => {
  await using bus = await SessionBus.open();
  await openFake(bus, options);
  const asked = wayOn(bus).ask(makeQuestion(), new AbortController().signal);
  expect(await asked.catch(() => 'nobody')).toBe('nobody');
});

test('who wants to answer in a terminal is told how; the question waits until it is withdrawn, or denied', async () => {
  await using bus = await SessionBus.open();
  const presses = ['details', 'deny'];
  const fake = await openFake(bus, {
    does: (fake, id) => fake.press(id, presses.shift() ?? ''),
  });
  expect(await wayOn(bus).ask(makeQuestion(), new AbortController().signal)).toEqual(DENY);
  expect(fake.bodies[1]).toContain('warder approve 4711');
  expect(fake.actions[1]).toEqual(['deny', 'Deny']);

  presses.push('details');
  const elsewhere = new AbortController();
  const asked = wayOn(bus).ask(makeQuestion(), elsewhere.signal);
  await until(() => fake.bodies.length === 4, 'the pointer');
  fake.signal('NotificationClosed', 'uu', 10, 2);
  expect(await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 300, 'waits'))])).toBe(
    'waits',
  );
  elsewhere.abort();
  expect(await asked).toBe('nobody');
});

test('W-CONS-21 what looks like markup is shown, also where a program does not say that it reads any', async () => {
  await using bus = await SessionBus.open();
  const question = makeQuestion({ arguments: '{"text":"<rm -rf>"}' });
  const plain = await openFake(bus, { does: (fake, id) => fake.press(id, 'deny') });
  await wayOn(bus).ask(question, new AbortController().signal);
  expect(plain.bodies[0]).toContain('text: "\\u003crm -rf\\u003e"');

  await using second = await SessionBus.open();
  const markup = await openFake(second, {
    capabilities: ['actions', 'body', 'body-markup'],
    does: (fake, id) => fake.press(id, 'deny'),
  });
  await wayOn(second).ask(question, new AbortController().signal);
  expect(markup.bodies[0]).toContain('text: &quot;&lt;rm -rf&gt;&quot;');
});

test('W-CONS-26 a credential is allowed only where polkit asks, and only if it is told who is there', async () => {
  const question = makeQuestion({ kind: 'credential', name: 'github' });
  const ask = async (polkitAsks: boolean, isThere: boolean): Promise<unknown> => {
    await using bus = await SessionBus.open();
    await openFake(bus, { does: (fake, id) => fake.press(id, polkitAsks ? 'allow-once' : 'deny') });
    const presence = { polkitAsks: async () => polkitAsks, authenticate: async () => isThere };
    return await wayOn(bus, { presence }).ask(question, new AbortController().signal);
  };
  expect(await ask(true, true)).toEqual({ ...ALLOW, isPresent: true });
  expect(await ask(true, false)).toBe('nobody');
  expect(await ask(false, true)).toEqual(DENY);
});
