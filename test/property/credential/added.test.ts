// Values that are added to a search one after the other, as tokens are while a session runs.
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { Finder, type MatchedValue } from '../../../src/credential/finder.ts';
import { ResponseSealer } from '../../../src/credential/redact.ts';
import { SYMBOLS } from '../../../src/credential/search/folded-view.ts';
import { NO_STATE, SymbolAutomaton } from '../../../src/credential/search/symbol-automaton.ts';

const runs = { numRuns: process.env.SLOW ? 10_000 : 150 };
vi.setConfig({ testTimeout: process.env.SLOW ? 600_000 : 60_000 });

const strings = fc.array(fc.uint8Array({ min: 0, max: 2, minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 8,
});
const sequence = fc.uint8Array({ min: 0, max: 2, maxLength: 40 });

/** What a sequence ends with: the indexes of the strings, and the lengths of what strings go on from. */
function seen(automaton: SymbolAutomaton, sequence: Uint8Array): [ends: number[], open: number[]][] {
  let state = 0;
  return Array.from(sequence, (symbol) => {
    state = automaton.next(state, symbol);
    const ends: number[] = [];
    for (let at = automaton.firstEnd(state); at !== NO_STATE; at = automaton.nextEnd(at))
      ends.push(...automaton.keysAt(at));
    const open: number[] = [];
    for (let at = automaton.firstOpen(state); at !== 0; at = automaton.nextOpen(at))
      open.push(automaton.depthOf(at));
    return [ends.sort((a, b) => a - b), open];
  });
}

/** The same, string by string. */
function expected(strings: readonly Uint8Array[], sequence: Uint8Array): [number[], number[]][] {
  const text = (symbols: Uint8Array): string => [...symbols].join('');
  return Array.from(sequence, (_, at) => {
    const before = text(sequence.subarray(0, at + 1));
    const ends = [...strings.keys()].filter((index) => before.endsWith(text(strings[index] as Uint8Array)));
    const open: number[] = [];
    for (let length = before.length; length > 0; length--) {
      const end = before.slice(-length);
      if (strings.some((string) => text(string).length > length && text(string).startsWith(end)))
        open.push(length);
    }
    return [ends, open];
  });
}

test('W-CRED-1 strings of symbols that are added at any time are all found, and so is what may begin one', () => {
  fc.assert(
    fc.property(strings, sequence, (strings, sequence) => {
      const automaton = new SymbolAutomaton(SYMBOLS);
      strings.forEach((string, index) => {
        automaton.add(string, index);
        expect(seen(automaton, sequence)).toEqual(expected(strings.slice(0, index + 1), sequence));
      });
    }),
    runs,
  );
});

const value = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9_-]{16,60}$/),
  fc.stringMatching(/^[a-c%&\\+]{8,20}$/),
  fc.stringMatching(/^[a-z ]{4,12}$/),
);

test('W-SEAL-3 a search that values were added to finds what one of all values does', () => {
  fc.assert(
    fc.property(fc.uniqueArray(value, { minLength: 1, maxLength: 6 }), (values) => {
      const targets = values.map((value) => ({ value }));
      const grown = new Finder([], { folded: true });
      const text = Buffer.from(
        values
          .flatMap((value) => [
            value,
            encodeURIComponent(value),
            Buffer.from(value).toString('base64'),
            value,
          ])
          .join(' - '),
      );
      for (const target of targets) {
        grown.add([target]);
        grown.find(text);
      }
      expect(grown.find(text)).toEqual(new Finder(targets, { folded: true }).find(text));
    }),
    runs,
  );
});

test('W-SEAL-6 a stream replaces a value that is added while it is under way', () => {
  const sealer = new ResponseSealer([{ value: 'first-secret-0123456789', placeholder: 'one' }]);
  const stream = sealer.transform(false);
  const pieces = stream.push(Buffer.from('a first-secret-0123456789 b second-sec'));
  sealer.add({ value: 'second-secret-9876543210', placeholder: 'two' });
  pieces.push(...stream.push(Buffer.from('ret-9876543210 c')), ...stream.flush());
  expect(Buffer.concat(pieces).toString()).toBe('a one b two c');
});

test('W-EGR-11 a value is added in the time that it takes alone, however many there are', () => {
  const finder = new Finder([], { folded: true });
  const replace = ({ bytes }: MatchedValue): Buffer => bytes;
  const addSome = (): number => {
    const start = process.threadCpuUsage().user;
    for (let count = 0; count < 16; count++) {
      const value = randomBytes(375).toString('base64url');
      finder.add([{ value }]);
      finder.replace(Buffer.from(`{"access_token":"${value}"}`), replace);
    }
    return process.threadCpuUsage().user - start;
  };
  const first = Math.min(addSome(), addSome());
  for (let count = 0; count < 11; count++) addSome();
  // Were all built anew for each, it would be twelve times as much.
  expect(Math.min(addSome(), addSome(), addSome())).toBeLessThan(6 * first + 20_000);
});
