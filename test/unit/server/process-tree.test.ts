import { describe, expect, test } from 'vitest';
import { type Process, parsePs } from '../../../src/os/processes.ts';
import { findTreeProcesses, type Tree } from '../../../src/server/process-tree.ts';

const SELF = 50;

function one(pid: number, parent: number, group: number, started: number, session = group): Process {
  return { pid, parent, group, session, started };
}

// 1 init, 10 the desktop, 50 the daemon, 60 its other server with a child, 100 the server.
const machine = [one(1, 0, 1, 0), one(10, 1, 10, 5), one(SELF, 10, SELF, 500), one(60, SELF, 60, 900)];
const server = one(100, SELF, 100, 1000);
const tree: Tree = { pid: 100, started: 1000, marker: 'm', supervised: true };

function pids(all: Process[], marked: number[] = [], of: Tree = tree): number[] {
  return findTreeProcesses(of, [...machine, ...all], new Set(marked), SELF)
    .map(({ pid }) => pid)
    .sort((a, b) => a - b);
}

describe('findTreeProcesses', () => {
  test('W-PROC-2 group, session, chain of parents and marker each suffice', () => {
    expect(pids([server])).toEqual([100]);
    // An orphan in the group; one in the session with a group of its own; a child that left both; its child.
    const inGroup = one(101, 1, 100, 1001);
    const inSession = one(102, 1, 102, 1001, 100);
    const left = one(103, 100, 103, 1001);
    const below = one(104, 103, 104, 1002);
    expect(pids([server, inGroup, inSession, left, below])).toEqual([100, 101, 102, 103, 104]);
    // Left and orphaned, but with the marker; its child has a clean environment.
    const marked = one(105, 1, 105, 1001);
    const clean = one(106, 105, 106, 1002);
    expect(pids([server, marked, clean], [105])).toEqual([100, 105, 106]);
    expect(pids([inGroup, inSession, marked], [105])).toEqual([101, 102, 105]);
  });

  test('W-PROC-4 an unrelated process is left alone, even one that reuses the pid of a process of the tree', () => {
    expect(pids([one(101, 10, 101, 1001)])).toEqual([]);
    // By now the server's pid, group and session belong to a shell.
    const shell = [one(100, 10, 100, 2000), one(107, 100, 107, 2001, 100)];
    expect(pids(shell)).toEqual([]);
    expect(pids([...shell, one(108, 1, 108, 1500)], [108])).toEqual([108]);
    // Older than the server: it cannot belong to its tree, whatever its marker.
    expect(pids([server, one(109, 1, 109, 999)], [109])).toEqual([100]);
  });

  test('W-PROC-4 after a restart a group without its leader does not count', () => {
    const unwatched = { ...tree, supervised: false };
    expect(pids([one(101, 1, 100, 1001)], [], unwatched)).toEqual([]);
    expect(pids([one(101, 1, 100, 1001)], [101], unwatched)).toEqual([101]);
    expect(pids([server, one(101, 1, 100, 1001)], [], unwatched)).toEqual([100, 101]);
    const unknown = { pid: undefined, started: undefined, marker: 'm', supervised: false };
    expect(pids([server, one(101, 1, 100, 1001)], [101], unknown)).toEqual([101]);
  });

  test('the daemon and its ancestors are never part of a tree', () => {
    expect(pids([server], [1, 10, SELF])).toEqual([100]);
    // Not even when the daemon was started from within the tree.
    const inside = [one(1, 0, 1, 0), server, one(110, 100, 100, 1001), one(SELF, 110, 100, 1002)];
    expect(findTreeProcesses(tree, inside, new Set([SELF]), SELF)).toEqual([]);
  });

  test('a long chain and a cycle of parents are traversed once', () => {
    const chain = Array.from({ length: 50_000 }, (_, at) =>
      one(1000 + at, at === 0 ? 100 : 999 + at, 7, 1001),
    );
    expect(findTreeProcesses(tree, [server, ...chain], new Set(), SELF)).toHaveLength(50_001);
    expect(pids([server, one(111, 112, 100, 1001), one(112, 111, 100, 1001)])).toEqual([100, 111, 112]);
  });

  test('a supervised group counts where start times are not known', () => {
    const untold = { ...tree, started: undefined };
    expect(pids([server, one(101, 1, 100, 1001)], [], untold)).toEqual([100, 101]);
  });
});

test('parsePs reads what macOS prints', () => {
  const text = [
    '    1     0     1 Ss   Mon Nov  3 08:00:01 2025    ',
    ' 4711     1  4711 S+   Mon Nov  3 09:15:30 2025',
    ' 4712  4711  4711 Z    Mon Nov  3 09:15:31 2025',
    'not a line',
    '',
  ].join('\n');
  expect(parsePs(text)).toEqual([
    { pid: 1, parent: 0, group: 1, session: 0, started: 1762156801 },
    { pid: 4711, parent: 1, group: 4711, session: 0, started: 1762161330 },
  ]);
});
