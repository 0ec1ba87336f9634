// When the uses of a remote server's token are recorded.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { EgressLedger } from '../../../../src/egress/ledger.ts';
import { clock } from '../../../../src/os/clock.ts';
import { credentialLedger } from '../../../../src/remote/http/ledger.ts';

const request = {
  mark: { credential: 'oauth/demo', version: '1', token: 'sha256:digest' },
  url: new URL('https://mcp.example.com/mcp'),
  method: 'POST',
  id: 1,
};

/** A ledger, and what it has written: each record as it would be in the log, `added` where it waits for the next write. */
function open() {
  const records: object[] = [];
  let calls = ['c1'];
  const ledger = new EgressLedger({
    session: 's1',
    profile: 'demo',
    durability: 'write',
    audit: {
      append: (_, fields) => records.push({ ...fields }),
      add: (_, fields) => void records.push({ ...fields, added: true }),
    },
    calls: () => [],
    nextConnectionId: () => 'c',
    clock,
    log: {} as never,
  });
  return {
    records,
    ledger: credentialLedger(ledger, () => calls[0]),
    callEnds: () => {
      calls = [];
    },
  };
}

const USE = { action: 'use', outcome: 'sent', call: 'c1' };
const ANSWER = { action: 'answer', outcome: 'ok', status: 200, call: 'c1', added: true };

test('W-REM-8 the record of an answer is written with those of the message that it brings, before it is handed on', () => {
  const { ledger, records, callEnds } = open();
  ledger.recordUse(request);
  ledger.recordAnswer(request, 200);
  expect(records).toMatchObject([USE]);
  // Whatever becomes of the call, the record names it.
  callEnds();
  ledger.settle();
  expect(records).toMatchObject([USE, ANSWER]);
  ledger.settle();
  expect(records).toHaveLength(2);
});

test('W-REM-8 it is written before the next use, and at the end of the turn where nothing comes', async () => {
  const { ledger, records } = open();
  ledger.recordAnswer(request, 200);
  ledger.recordUse(request);
  expect(records).toMatchObject([ANSWER, USE]);
  ledger.recordAnswer(request, 401);
  ledger.recordNoAnswer(request, 'lost');
  expect(records.slice(2)).toMatchObject([{ outcome: 'denied', status: 401 }, { outcome: 'lost' }]);
  ledger.recordAnswer(request, 200);
  await nextTurn();
  await nextTurn();
  expect(records.slice(4)).toMatchObject([ANSWER]);
});
