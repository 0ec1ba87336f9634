import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Outbox, type Span } from '../../../../src/relay/flow/outbox.ts';

const numRuns = process.env.SLOW === undefined ? 500 : 20_000;

/** What may happen to a queue. */
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ add: fc.nat({ max: 6000 }) }) },
  { weight: 3, arbitrary: fc.record({ flush: fc.constantFrom('later', 'now') }) },
  { weight: 2, arbitrary: fc.constant({ durable: true }) },
  { weight: 1, arbitrary: fc.record({ failed: fc.nat() }) },
  { weight: 1, arbitrary: fc.constant({ finish: true }) },
);

interface Added extends Span {
  readonly text: string;
  /** How many flushes were before it. */
  readonly flush: number;
  isTakenBack: boolean;
}

test('W-AUDIT-18 messages leave in their order, whole, without those taken back, and none before its records are on the disk', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const written: Buffer[] = [];
      const added: Added[] = [];
      let waiting: (() => void)[] = [];
      let isLate = false;
      let flushes = 0;
      // The flushes whose records are not on the disk, in their order.
      let undurable: number[] = [];
      const durable = (): void => {
        const callbacks = waiting;
        waiting = [];
        undurable = [];
        for (const then of callbacks) then();
      };
      const outbox = new Outbox(
        {
          write: (pieces) => {
            written.push(...pieces.map((piece) => Buffer.from(piece)));
            return true;
          },
          onDrain: () => {},
        },
        (later) => {
          if (later === undefined) durable();
          if (later === undefined || !isLate) return undefined;
          undurable.push(flushes);
          waiting.push(later);
          return 'later';
        },
        () => {},
      );
      const add = (text: string): void => {
        const from = outbox.queued;
        const bytes = Buffer.from(`${text}#`);
        outbox.add(bytes, 0, bytes.length, text.length, text.length + 1, '!');
        added.push({ text: `${text}!\n`, from, to: outbox.queued, flush: flushes, isTakenBack: false });
      };
      /** What has to be out by now: all up to the first flush that waits. */
      const due = (): string => {
        const until = undurable[0] ?? flushes;
        return added
          .filter(({ flush, isTakenBack }) => flush < until && !isTakenBack)
          .map(({ text }) => text)
          .join('');
      };
      for (const each of steps) {
        if ('add' in each) add(`${added.length}${'x'.repeat(each.add)}`);
        else if ('flush' in each) {
          isLate = each.flush === 'later';
          outbox.flush();
          flushes++;
        } else if ('durable' in each) durable();
        else if ('failed' in each) {
          // One that waits is taken back, and something else said in its place.
          const left = added.filter(({ to, isTakenBack }) => to > outbox.left && !isTakenBack);
          const last = added.findLast(({ isTakenBack }) => isTakenBack);
          const open = left.filter(({ from }) => from >= (last?.to ?? 0));
          const one = open[each.failed % Math.max(1, open.length)];
          if (one === undefined) continue;
          one.isTakenBack = true;
          outbox.withdraw(one);
          add('instead');
        } else {
          isLate = false;
          outbox.finish();
          flushes++;
        }
        expect(Buffer.concat(written).toString()).toBe(due());
      }
    }),
    { numRuns },
  );
});
