// How much a sandbox can have written to the log.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EgressLedger, type EgressLedgerParts } from '../../../src/egress/ledger.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A ledger, and the records that it has written. */
function open(pace?: EgressLedgerParts['pace']) {
  const records: { [member: string]: unknown }[] = [];
  let connections = 0;
  const ledger = new EgressLedger({
    session: 's1',
    profile: 'demo',
    durability: 'write',
    audit: { append: (event, fields) => records.push({ event, ...fields }) },
    calls: () => [],
    nextConnectionId: () => `c${++connections}`,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    log: silent as never,
    ...(pace && { pace }),
  });
  return { ledger, records };
}

const destination = { connection: 'c1', host: 'api.test', port: 443 };
const request = {
  credential: 'test/TOKEN',
  version: 'v1',
  host: 'api.test',
  port: 443,
  method: 'GET',
  path: '/',
};

describe('W-AUDIT-17 what is allowed', () => {
  test.each(['uses', 'connections'])('is slowed and never left out: %s', async (kind) => {
    const { ledger, records } = open({ burst: 20, rate: 10 });
    let done = 0;
    const one = async (): Promise<void> => {
      await ledger.pace();
      if (kind === 'uses') {
        ledger.recordUse(request);
        ledger.recordAnswer(request, 200);
      } else {
        ledger.recordOpen(destination, '192.0.2.1', { opened: false });
        ledger.recordClose(destination, '192.0.2.1', { bytes_in: 0, bytes_out: 0, ms: 1 });
      }
      done += 1;
    };
    const all = (async () => {
      for (let i = 0; i < 100; i += 1) await one();
    })();
    await vi.advanceTimersByTimeAsync(1);
    expect(records.length).toBeLessThanOrEqual(22);
    for (let second = 1; second <= 20; second += 1) {
      await vi.advanceTimersByTimeAsync(1000);
      // The burst, ten a second, and the one that is under way.
      expect(records.length).toBeLessThanOrEqual(20 + 10 * second + 4);
    }
    await all;
    expect(done).toBe(100);
    expect(records).toHaveLength(200);
  });

  test('by many at once is slowed all the same', async () => {
    const { ledger, records } = open({ burst: 20, rate: 10 });
    const many = Array.from({ length: 50 }, async () => {
      for (let i = 0; i < 4; i += 1) {
        await ledger.pace();
        ledger.recordUse(request);
      }
    });
    await vi.advanceTimersByTimeAsync(10_000);
    // Each of the fifty may be let through once more before the first has spent.
    expect(records.length).toBeLessThanOrEqual((20 + 10 * 10) / 2 + 50);
    await vi.advanceTimersByTimeAsync(60_000);
    await Promise.all(many);
    expect(records).toHaveLength(200);
  });

  test('below the rate does not wait', async () => {
    const { ledger } = open();
    for (let i = 0; i < 1000; i += 1) {
      await ledger.pace();
      ledger.recordUse(request);
    }
    expect(vi.getTimerCount()).toBe(0);
  });
});

test('W-EGR-15 a record says what a proxy was asked for, or that no address was judged', () => {
  const { ledger, records } = open();
  ledger.recordOpen(destination, '10.0.0.3', { opened: false, proxied: { target: '9.9.9.8' } });
  ledger.recordOpen(destination, '10.0.0.3', { opened: false, proxied: { target: undefined } });
  ledger.recordOpen(destination, '9.9.9.8', { opened: false });
  expect(records.map(({ address, target, judged }) => [address, target, judged])).toEqual([
    ['10.0.0.3', '9.9.9.8', undefined],
    ['10.0.0.3', undefined, false],
    ['9.9.9.8', undefined, undefined],
  ]);
});

describe('W-AUDIT-17 what is refused', () => {
  test('is summed up when equal, with its count in the next record', () => {
    const { ledger, records } = open();
    for (let i = 0; i < 1000; i += 1) ledger.recordDenial(request, 'not listed');
    for (let i = 0; i < 1000; i += 1) ledger.recordRefusal(destination, 'not listed');
    expect(records).toHaveLength(2);
    vi.advanceTimersByTime(61_000);
    ledger.recordDenial(request, 'not listed');
    ledger.recordRefusal(destination, 'not listed');
    expect(records.slice(2)).toMatchObject([
      { event: 'credential.use', outcome: 'refused', count: 1000 },
      { event: 'egress.connect', outcome: 'refused', count: 1000 },
    ]);
    ledger.close();
    expect(records).toHaveLength(4);
  });

  test('is counted for its host also at the end', () => {
    const { ledger, records } = open();
    for (let i = 0; i < 3; i += 1) ledger.recordRefusal(destination, 'not listed');
    ledger.close();
    const { host, port } = destination;
    expect(records.slice(1)).toMatchObject([
      { host, port, outcome: 'refused', reason: 'not listed', count: 2 },
    ]);
  });

  test('is bounded when all differ, and nothing goes uncounted', () => {
    const { ledger, records } = open();
    let refused = 0;
    for (let second = 0; second < 120; second += 1) {
      for (let i = 0; i < 500; i += 1) {
        ledger.recordRefusal({ host: `h${refused}.test`, port: 443 }, 'not listed');
        refused += 1;
      }
      vi.advanceTimersByTime(1000);
      expect(records.length).toBeLessThanOrEqual(200 + 11 * (second + 1));
    }
    // Some were told already, while it went on.
    expect(records.some(({ count }) => Number(count) > 1)).toBe(true);
    ledger.close();
    expect(records.reduce((sum, { count }) => sum + Number(count ?? 1), 0)).toBe(refused);
  });
});
