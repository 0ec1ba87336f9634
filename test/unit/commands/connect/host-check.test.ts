import { expect, test } from 'vitest';
import { stateOf } from '../../../../src/commands/connect/host-check.ts';

const LAUNCH = '/home/anna/.local/share/warder/bin/warder';

/** As the hosts print it, each seen with the real one. */
const claude = (status: string) =>
  `everything:\n  Scope: User config (available in all your projects)\n  Status: ${status}\n  Type: stdio\n  Command: ${LAUNCH}\n  Args: run everything\n  Environment:\n    TOKEN=sk-live-0123\n`;
const opencode = (mark: string, word: string) =>
  `\u001b[0m\n┌  MCP Servers\n│\n●  ${mark} everything \u001b[90m${word}\n│      \u001b[90m${LAUNCH} run everything\n│\n└  1 server(s)\n`;
const gemini = (mark: string, word: string) =>
  `Configured MCP servers:\n\n${mark} everything: ${LAUNCH} run everything (stdio) - ${word}\n`;
const codex = (word: string) =>
  `Name        Command  Args            Env  Cwd  Status    Auth\neverything  ${LAUNCH}  run everything  -    -    ${word}  Unsupported\n`;

test.each([
  ['Claude Code', claude('✔ Connected'), 'started'],
  ['Claude Code', claude('✘ Failed to connect'), 'failed'],
  ['Claude Code', claude('⏸ Pending approval (run `claude` to approve)'), 'asks'],
  ['Claude Code', 'No MCP server named "everything". Configured servers: other', 'unlisted'],
  ['OpenCode', opencode('✓', 'connected'), 'started'],
  ['OpenCode', opencode('✗', 'failed'), 'failed'],
  ['OpenCode', opencode('○', 'disabled'), 'off'],
  ['Gemini CLI', gemini('✓', 'Connected'), 'started'],
  ['Gemini CLI', gemini('✗', 'Disconnected'), 'failed'],
  ['Gemini CLI', gemini('○', 'Disabled'), 'off'],
  ['Codex', codex('enabled'), 'listed'],
  ['Codex', codex('disabled'), 'off'],
  ['Copilot CLI', 'User servers:\n  everything (local)\n', 'listed'],
  ['Copilot CLI', 'No MCP servers configured.\n', 'unlisted'],
  ['none', '', 'unlisted'],
])('W-HOST-34 %s: what its command prints is reduced to a state', (_host, text, state) => {
  expect(stateOf(text, 'everything', [LAUNCH, 'run', 'everything'])).toBe(state);
});

test('W-HOST-34 the words of another server, and those of a path, are not taken for a state', () => {
  const others = `everything-else: ${LAUNCH} run everything-else (stdio) - Connected\nsay: echo everything: Connected\n`;
  expect(stateOf(others, 'everything', [LAUNCH, 'run', 'everything'])).toBe('unlisted');
  const folder = '/home/failed/disabled/connected/warder';
  const line = `everything: ${folder} run failed (stdio) - Connected`;
  expect(stateOf(line, 'everything', [folder, 'run', 'failed'])).toBe('started');
  expect(stateOf('connected (local)', 'connected', [LAUNCH, 'run', 'x'])).toBe('listed');
});
