// Whatever the machine runs: only processes of the server are ended, and all of them.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Process } from '../../../src/os/processes.ts';
import { findTreeProcesses, type Tree } from '../../../src/server/process-tree.ts';

const SELF = 2;
const numRuns = process.env.SLOW === undefined ? 300 : 20_000;

// Pids 2 to 41, few enough that parents, groups and sessions coincide; parents also form cycles.
const machine = fc.uniqueArray(
  fc.record({
    pid: fc.integer({ min: 2, max: 41 }),
    parent: fc.integer({ min: 0, max: 41 }),
    group: fc.integer({ min: 0, max: 41 }),
    session: fc.integer({ min: 0, max: 41 }),
    started: fc.integer({ min: 0, max: 9 }),
  }),
  { selector: ({ pid }) => pid, maxLength: 40 },
);
const tree: fc.Arbitrary<Tree> = fc.record({
  pid: fc.option(fc.integer({ min: 3, max: 41 }), { nil: undefined }),
  started: fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }),
  marker: fc.constant('m'),
  supervised: fc.boolean(),
});
const marks = fc.uniqueArray(fc.integer({ min: 2, max: 41 }), { maxLength: 5 });

test('W-PROC-4 every process found is linked to the server, and so are all its descendants', () => {
  fc.assert(
    fc.property(machine, tree, marks, (all, of, marked) => {
      const found = new Set(findTreeProcesses(of, all, new Set(marked), SELF));
      const byPid = new Map(all.map((one) => [one.pid, one]));
      const spared = new Set([0, 1]);
      for (let pid: number | undefined = SELF; pid !== undefined && !spared.has(pid); ) {
        spared.add(pid);
        pid = byPid.get(pid)?.parent;
      }
      const direct = (one: Process): boolean =>
        marked.includes(one.pid) ||
        (of.pid !== undefined && (one.group === of.pid || one.session === of.pid));
      for (const one of found) {
        expect(spared.has(one.pid)).toBe(false);
        let [link, hops]: [Process | undefined, number] = [one, 0];
        while (link !== undefined && !direct(link) && hops++ < all.length) link = byPid.get(link.parent);
        expect(link !== undefined && direct(link)).toBe(true);
      }
      for (const one of all) {
        const parent = byPid.get(one.parent);
        if (parent !== undefined && found.has(parent) && !spared.has(one.pid))
          expect(found.has(one)).toBe(true);
      }
    }),
    { numRuns },
  );
});
