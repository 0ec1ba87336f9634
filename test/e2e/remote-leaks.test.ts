// Whatever goes wrong between a server, its authorization server and Warder: what is secret shows nowhere.
import { expect, test } from 'vitest';
import { commandLines, expectAbsent } from '../fixtures/internet.ts';
import { Trap } from '../fixtures/remote/trap.ts';

const FORMS = ['utf8', 'base64', 'hex', 'base64url'] as const;
const SECRET_FIELDS = ['code', 'code_verifier', 'refresh_token', 'client_secret'];

test('W-REM-41 W-AUTH-16 W-AUTH-44 tokens, codes, verifiers and ids of sessions that an authorization server repeats in its errors, in any encoding, are in nothing that is seen, logged or kept', async () => {
  await using trap = await Trap.set({ era: 'session' });
  const { authorization, server, warder } = trap;
  const { home } = warder;
  const seen = new Set<string>();
  const secrets = (): string[] => {
    const sent = authorization.exchanges.flatMap((form) => SECRET_FIELDS.map((name) => form.get(name)));
    const sessions = server.requests.map(({ headers }) => headers['mcp-session-id']);
    for (const value of [...authorization.tokens, ...authorization.refresh, ...sent, ...sessions])
      if (typeof value === 'string') seen.add(value);
    return [...seen];
  };
  const { said } = await warder.signIn('remote');
  const shown = [said];
  secrets();
  await using host = home.run('remote');
  await host.initialize();
  expect(await host.call('echo', { text: 'hi' })).toBe('hi');
  // It takes no token any more, and repeats all that it knows: in each form, and cut off at any place.
  let answered = 0;
  authorization.script.token = (form) => {
    const all = [...secrets(), ...form.values()].map((value, at) =>
      Buffer.from(value).toString(FORMS[(at + answered) % FORMS.length]),
    );
    const error = ['invalid_request', 'server_error', 'of its own', 'invalid_grant'][answered];
    answered += 1;
    return { status: 400, json: { error, error_description: all.join(' ').slice(answered * 7) } };
  };
  authorization.tokens.clear();
  for (let i = 0; i < 4; i++) {
    await host.ask('tools/call', { name: 'echo', arguments: { text: 'hi' } }).answer;
    await new Promise((resolve) => setTimeout(resolve, 1500));
  }
  expect(answered).toBeGreaterThan(1);
  for (const words of [['status'], ['status', '--json'], ['show', 'remote', '--json'], ['audit', '--json']]) {
    const { stdout, stderr } = await home.warder(words);
    shown.push(stdout + stderr);
  }
  const { stdout, stderr } = await home.warder(['logout', 'remote']);
  shown.push(stdout + stderr);
  const places: [string, string][] = [
    ['what the host got', host.lines.join('\n')],
    ['what the launcher said', host.stderr],
    ['what the command line said', shown.join('\n')],
    ['command lines', commandLines()],
    ['the browser', JSON.stringify(warder.opened)],
  ];
  const all = secrets();
  expect(all.length).toBeGreaterThan(4);
  for (const secret of all) for (const [place, text] of places) expectAbsent(text, secret, place);
  trap.expectNotOnDisk(...all);
});
