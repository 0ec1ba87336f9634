// Accounts against a real authorization server with strict rotation, and a server that takes its tokens.
import { expect, test } from 'vitest';
import { startAuthorization } from '../../fixtures/remote/authorization.ts';
import { Keeping, remoteProfile } from '../../fixtures/remote/keeping.ts';
import { startMcp } from '../../fixtures/remote/mcp.ts';
import { Person } from '../../fixtures/remote/person.ts';

test('a call without a token asks a person, opens the browser, and goes on with the token', async () => {
  await using authorization = await startAuthorization();
  await using mcp = await startMcp({ guard: (url) => authorization.guard(url) });
  await using keeping = new Keeping();
  const session = await keeping.session(remoteProfile(mcp.url));
  expect(session.authorizer.state).toBe('ready');
  // What a host sends at its start asks nobody.
  await expect(session.send(mcp.url, { acts: false })).rejects.toMatchObject({ code: 'sign-in-needed' });
  expect(session.authorizer.state).toBe('signed-out');
  expect(keeping.asked).toEqual([]);
  const sending = session.send(mcp.url);
  const visited = await new Person().visit(await keeping.page(0));
  expect(visited.status).toBe(200);
  expect(visited.body).toContain('Signed in');
  const { sent } = await sending;
  expect(sent.headers.Authorization).toMatch(/^Bearer /);
  expect(sent.mark).toMatchObject({ credential: 'oauth/notes', issuer: authorization.issuer });
  expect(keeping.asked).toHaveLength(1);
  expect(session.authorizer.state).toBe('ready');
  expect(keeping.records.map(({ action, outcome }) => [action, outcome])).toEqual([['sign-in', 'ok']]);
});
