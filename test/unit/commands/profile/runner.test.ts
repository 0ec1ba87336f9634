import { expect, test } from 'vitest';
import { refuseRunner } from '../../../../src/commands/profile/runner.ts';
import { parseNpx, parseUvx } from '../../../../src/package/readme-line.ts';
import { splitWords } from '../../../../src/package/words.ts';

/** The words of the command that the hint prints, as a shell reads it. */
function hinted(words: readonly string[]): string[] {
  try {
    refuseRunner('notes', words);
  } catch (error) {
    const { code, hint } = error as { code: string; hint: string };
    expect(code).toBe('usage');
    return splitWords(hint.replace(/^pin it: /, ''), (why) => new Error(why));
  }
  throw new Error('it was not refused');
}

test.each([
  [['npx', '-y', '@scope/server@1.2', '/my notes'], ['/my notes']],
  [['/usr/bin/npx', 'server', "it's"], ["it's"]],
  [['pnpm', 'dlx', 'server', '--x'], ['--x']],
  [['bunx', 'server'], []],
  [['npm', 'exec', '-p', 'many', '--', 'one', '--x'], ['--x']],
  [
    ['uvx', 'mcp-server-fetch', '--user-agent', 'a;b $c'],
    ['--user-agent', 'a;b $c'],
  ],
  [['uv', 'tool', 'run', '--from', 'mcp[cli]', 'mcp', 'run'], ['run']],
])('%j would fetch its server: the hint pins it, with all of its arguments', (words, args) => {
  const [warder, add, name, option, line = '', ...rest] = hinted(words);
  expect([warder, add, name, rest]).toEqual(['warder', 'add', 'notes', []]);
  const parsed = option === '--from-npx' ? parseNpx(line) : parseUvx(line);
  expect(option).toBe(/uv/.test(words[0] ?? '') ? '--from-uvx' : '--from-npx');
  expect(parsed.args).toEqual(args);
});

test.each([[['docker', 'run', '-i', 'mcp/fetch']], [['podman', 'run', 'x']]])(
  '%j is a container',
  (words) => {
    expect(() => refuseRunner('notes', words)).toThrow(
      expect.objectContaining({ code: 'usage', hint: expect.stringContaining('--from-uvx') }),
    );
  },
);

test.each([[['node', 'npx.js']], [['npm', 'start']], [['uv', 'run', 'server.py']], [['dockerd']], [[]]])(
  '%j is the server itself',
  (words) => {
    expect(() => refuseRunner('notes', words)).not.toThrow();
  },
);
