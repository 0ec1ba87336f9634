// The first use of a remote server that nobody has signed in to: a host's model calls the tool that Warder offers, its user
// says yes in the host's dialog and signs in, and then the server's own tools are there and work. In each era.
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { describe, expect, test } from 'vitest';
import { startAuthorization } from '../fixtures/remote/authorization.ts';
import { startMcp } from '../fixtures/remote/mcp.ts';
import { RemoteHome } from '../fixtures/remote/signing-in.ts';

describe.each([
  ['legacy', 'session'],
  ['legacy', 'stateless'],
  ['2026-07-28', 'session'],
  ['2026-07-28', 'stateless'],
] as const)('a host of %s, a server: %s', (version, era) => {
  test('W-AUTH-40 W-REM-25 W-REM-26 signs in by a tool, and then uses the server', async () => {
    await using authorization = await startAuthorization();
    await using server = await startMcp({ era, guard: (url) => authorization.guard(url) });
    await using warder = await RemoteHome.open();
    warder.profile('remote', server.url);
    const [command = '', ...args] = warder.home.host('remote');
    const client = new Client(
      { name: 'test', version: '1' },
      {
        versionNegotiation: { mode: version === 'legacy' ? version : { pin: version } },
        capabilities: { elicitation: { form: {} } },
      },
    );
    const asked: string[] = [];
    client.setRequestHandler('elicitation/create', async ({ params }) => {
      asked.push(params.message);
      // A person reads first.
      await new Promise((resolve) => setTimeout(resolve, 400));
      return { action: 'accept', content: { answer: 'Sign in' } };
    });
    await client.connect(
      new StdioClientTransport({ command, args, cwd: warder.home.dir, env: warder.home.env, stderr: 'pipe' }),
    );
    try {
      const names = async () => (await client.listTools()).tools.map(({ name }) => name);
      const said = async (name: string, given = {}) => {
        const { content } = await client.callTool({ name, arguments: given });
        return (content as { text: string }[])[0]?.text;
      };
      expect(await names()).toEqual(['warder_sign_in']);
      expect(asked).toEqual([]);
      const [signedIn] = await Promise.all([said('warder_sign_in'), warder.visit()]);
      expect(signedIn).toMatch(/signed in/i);
      expect(asked).toEqual([expect.stringContaining(server.host)]);
      expect(asked[0]).toContain(new URL(authorization.issuer).host);
      expect(await names()).toContain('echo');
      expect(await said('echo', { text: 'hello' })).toBe('hello');
      expect(asked).toHaveLength(1);
      expect(warder.opened).toHaveLength(1);
    } finally {
      await client.close();
    }
  });
});
