// Whatever a host answers in a dialog, and whatever it makes again, a call goes on only with an allow that the log names, and
// only as it was asked about.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Asking, asking, forms, initialize, meta, pass } from '../../fixtures/asking.ts';

const { numRuns } = process.env.SLOW === undefined ? { numRuns: 150 } : { numRuns: 3000 };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** JSON of a few values, so that two are often alike. */
const value = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(0, 1, -1, 1.5, 1e21, null, true, '', 'a', '\u202e', 'a"b'),
    fc.array(tie('value'), { maxLength: 2 }),
    fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'a b'), tie('value'), { maxKeys: 3 }),
  ),
})).value;
const args = fc.dictionary(fc.constantFrom('a', 'b', 'command', '__proto__'), value, { maxKeys: 4 });

/** A result of a form: right, almost right, or anything. */
const result = fc.oneof(
  fc.constantFrom(
    '{"action":"accept","content":{"answer":"Allow once"}}',
    '{"action":"accept","content":{"answer":"Allow for this session"}}',
    '{"action":"accept","content":{"answer":"Deny"}}',
    '{"action":"decline"}',
    '{"action":"cancel"}',
  ),
  fc
    .record({
      action: fc.constantFrom('accept', 'Accept', 'decline', 1),
      content: fc.oneof(
        fc.record({ answer: fc.constantFrom('Allow once', 'allow once', 'Deny', true) }),
        fc.json(),
      ),
    })
    .map((each) => JSON.stringify(each)),
  fc.json(),
);
const ALLOWED = new Set(['Allow once', 'Allow for this session']);

/** Whether a result says yes. */
function saysYes(text: string): boolean {
  const { action, content } = (JSON.parse(text) ?? {}) as {
    action?: unknown;
    content?: Record<string, unknown>;
  };
  return (
    action === 'accept' &&
    Object.keys(content ?? {}).join() === 'answer' &&
    ALLOWED.has(String(content?.answer))
  );
}

function calls({ server }: Asking): { params: { arguments: unknown } }[] {
  return server.messages.filter(({ method }) => method === 'tools/call') as never;
}

/** Each call that passed has an allow of its own in the log, which says that a person gave it. */
function accounted({ audit }: Asking, passed: number): void {
  const allowed = audit.of('tool.call').filter(({ decision }) => decision === 'allow');
  expect(allowed).toHaveLength(passed);
  const answers = audit.of('consent.answer').filter(({ decision }) => decision === 'allow');
  for (const { rule } of allowed) expect(answers.map((answer) => answer.rule)).toContain(rule);
}

test('W-CONS-1 W-CONS-10 up to 2025-11-25: a call goes on if, and only if, the answer is a choice that says yes and may have been read', async () => {
  await fc.assert(
    fc.asyncProperty(
      args,
      fc.array(result, { minLength: 1, maxLength: 3 }),
      fc.nat(1000),
      async (given, results, ms) => {
        const session = asking();
        initialize(session);
        session.host.say({ id: 1, method: 'tools/call', params: { name: 'echo', arguments: given } });
        await pass(ms);
        const [form] = forms(session.host);
        for (const each of results) session.host.say(`{"jsonrpc":"2.0","id":${form?.id},"result":${each}}`);
        await pass();
        const [first = ''] = results;
        // A question that does not fit offers no yes.
        const offers = JSON.stringify(form?.params).includes('Allow once');
        const passed = ms >= 300 && offers && saysYes(first) ? 1 : 0;
        expect(calls(session)).toHaveLength(passed);
        accounted(session, passed);
        expect(
          session.host.messages.filter(({ id, method }) => id === 1 && method === undefined),
        ).toHaveLength(1 - passed);
      },
    ),
    { numRuns },
  );
});

test('W-CONS-1 W-CONS-11 from 2026-07-28: a call that is made again goes on only with the arguments that were asked about, once', async () => {
  const canonical = (each: unknown): string =>
    JSON.stringify(each, (_, node: unknown) =>
      typeof node === 'object' && node !== null && !Array.isArray(node)
        ? Object.entries(node).sort(([a], [b]) => (a < b ? -1 : 1))
        : node,
    );
  await fc.assert(
    fc.asyncProperty(
      args,
      fc.oneof(args, fc.constant(undefined)),
      result,
      fc.boolean(),
      async (given, other, reply, twice) => {
        const session = asking();
        const params = { _meta: meta(), name: 'echo' };
        session.host.say({ id: 1, method: 'tools/call', params: { ...params, arguments: given } });
        await pass(1000);
        const asked = session.host.messages[0]?.result as { requestState: string };
        const again = other ?? given;
        const rest = JSON.stringify({ ...params, requestState: asked.requestState });
        const line = (id: number): string =>
          `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"arguments":${JSON.stringify(again)},"inputResponses":{"warder":${reply}},${rest.slice(1)}}`;
        session.host.say(line(2));
        if (twice) session.host.say(line(3));
        await pass();
        const isSame = canonical(given) === canonical(again);
        const offers = JSON.stringify(asked).includes('Allow once');
        const passed = isSame && offers && saysYes(reply) ? 1 : 0;
        expect(calls(session)).toHaveLength(passed);
        if (passed === 1) expect(canonical(calls(session)[0]?.params.arguments)).toBe(canonical(given));
        expect(session.server.text).not.toContain('warder');
        accounted(session, passed);
      },
    ),
    { numRuns },
  );
});
