import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ListedKind } from '../../../src/relay/trust.ts';
import { call, join } from '../../fixtures/ends.ts';
import { FakeTrust } from '../../fixtures/trust.ts';

const numRuns = process.env.SLOW === undefined ? 150 : 20_000;

const SHAPES = {
  tools: { method: 'tools/list', member: 'tools', key: 'name' },
  prompts: { method: 'prompts/list', member: 'prompts', key: 'name' },
  resources: { method: 'resources/list', member: 'resources', key: 'uri' },
  templates: { method: 'resources/templates/list', member: 'resourceTemplates', key: 'uriTemplate' },
} as const;

type Entry = Readonly<Record<string, unknown>>;

const names = ['a', 'b', 'A', 'а', 'a\u200b', '__proto__', 'constructor'];
const kind = fc.constantFrom<ListedKind>('tools', 'prompts', 'resources', 'templates');
const text = fc.string({ unit: 'binary', maxLength: 12 });
const inner = fc.record(
  { description: text, inputSchema: fc.jsonValue({ maxDepth: 2 }), title: text },
  { requiredKeys: ['description'] },
);
const rest = inner.filter((entry) => !/"(name|uri|uriTemplate)"/i.test(JSON.stringify(entry)));

/** An object from its members, so that one may be called `__proto__`. */
function entryOf(of: ListedKind, name: string, more: Entry, reversed: boolean): Entry {
  const { key } = SHAPES[of];
  const members = [[key, of === 'resources' ? `ui://${name}` : name], ...Object.entries(more)];
  return JSON.parse(JSON.stringify(Object.fromEntries(reversed ? members.reverse() : members)));
}

const step = fc.oneof(
  fc.record({
    do: fc.constant('list' as const),
    kind,
    pages: fc.array(fc.array(fc.tuple(fc.constantFrom(...names), rest, fc.boolean()), { maxLength: 3 }), {
      minLength: 1,
      maxLength: 3,
    }),
  }),
  fc.record({ do: fc.constant('again' as const), kind }),
  fc.record({ do: fc.constant('accept' as const), kind, name: fc.constantFrom(...names), more: rest }),
  fc.record({ do: fc.constant('call' as const), name: fc.constantFrom(...names) }),
  fc.record({ do: fc.constant('changed' as const) }),
);

test('W-TRUST-1 W-TRUST-2 a host sees only what is accepted, and what passes is not held back', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const trust = new FakeTrust();
      const { host, server } = join({ trust });
      host.say({ id: 'i', method: 'initialize' });
      server.say({ id: 1, result: { protocolVersion: '1', capabilities: {} } });
      const accepted: { kind: ListedKind; name: string; more: Entry }[] = [];
      let id = 0;
      const list = (of: ListedKind, pages: readonly (readonly Entry[])[]): void => {
        const { method, member } = SHAPES[of];
        pages.forEach((entries, index) => {
          const params = index === 0 ? {} : { cursor: String(index) };
          const more = index + 1 < pages.length ? { nextCursor: String(index + 1) } : {};
          host.say({ id: ++id, method, params });
          const own = server.messages.findLast((message) => message.method === method)?.id;
          server.say({ id: own, result: { [member]: entries, ...more } });
          const last = host.messages.at(-1) ?? {};
          if (last.error !== undefined) return;
          const seen = (last.result as Record<string, Entry[]>)[member] ?? [];
          for (const entry of seen) {
            const name = String(entry[SHAPES[of].key]);
            expect(entries).toContainEqual(entry);
            expect(trust.held(of, name)).toBeUndefined();
            expect(trust.isAccepted(of, entry)).toBe(true);
          }
          // Nothing else is missing.
          for (const entry of entries) {
            const name = String(entry[SHAPES[of].key]);
            if (trust.held(of, name) === undefined && trust.isAccepted(of, entry))
              expect(seen).toContainEqual(entry);
          }
        });
      };
      for (const each of steps) {
        if (each.do === 'list')
          list(
            each.kind,
            each.pages.map((page) =>
              page.map(([name, more, reversed]) => entryOf(each.kind, name, more, reversed)),
            ),
          );
        else if (each.do === 'again')
          list(
            each.kind,
            accepted
              .filter((entry) => entry.kind === each.kind)
              .map(({ name, more }) => [entryOf(each.kind, name, more, true)]),
          );
        else if (each.do === 'accept') {
          accepted.push(each);
          trust.accept(each.kind, entryOf(each.kind, each.name, each.more, false));
        } else if (each.do === 'changed') server.say({ method: 'notifications/tools/list_changed' });
        else {
          const held = trust.held('tools', each.name);
          const before = server.messages.length;
          host.say(call(++id, each.name));
          expect(server.messages.length - before).toBe(held === undefined ? 1 : 0);
        }
      }
    }),
    { numRuns },
  );
});

test('W-TRUST-1 any one-character change of a text that was accepted is held back, and no other order is', () => {
  const entry = fc.record({
    name: fc.constantFrom('a', 'b'),
    description: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }),
    annotations: fc.record({ title: fc.string({ minLength: 1 }), readOnlyHint: fc.boolean() }),
  });
  fc.assert(
    fc.property(
      entry,
      entry,
      fc.nat(),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
      (one, other, at, by) => {
        const two = { ...other, name: one.name === 'a' ? 'b' : 'a' };
        const trust = new FakeTrust({ tools: [one, two] });
        const { host, server } = join({ trust });
        const listed = (...tools: object[]): unknown => {
          host.say({ id: 1, method: 'tools/list' });
          server.say({ id: server.messages.at(-1)?.id, result: { tools } });
          const last = host.messages.at(-1) ?? {};
          return (last.result as { tools: unknown }).tools;
        };
        const reordered = { annotations: one.annotations, name: one.name, description: one.description };
        expect(listed(two, reordered)).toEqual([two, one]);
        const where = at % one.description.length;
        const description = one.description.slice(0, where) + by + one.description.slice(where + 1);
        fc.pre(description !== one.description && description.isWellFormed());
        expect(listed({ ...one, description }, two)).toEqual([two]);
        expect(listed(one, two)).toEqual([two]);
      },
    ),
    { numRuns },
  );
});
