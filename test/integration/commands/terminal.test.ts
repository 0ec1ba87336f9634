// Questions on a real terminal, which `script` provides.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { until } from '../../fixtures/echo-home.ts';

const prompt = join(import.meta.dirname, '../../fixtures/prompt.ts');

/** Types each answer once its question is shown. Returns all output, and the exit code. */
async function converse(
  ...turns: [question: string, answer: string][]
): Promise<{ shown: string; code: number }> {
  const child = spawn('script', ['-qec', `'${process.execPath}' '${prompt}'`, '/dev/null'], {
    env: { PATH: '/usr/bin:/bin', TERM: 'xterm' },
  });
  let shown = '';
  child.stdout.on('data', (text) => {
    shown += text;
  });
  const closed = once(child, 'close');
  for (const [question, answer] of turns) {
    await until(() => shown.includes(question), question);
    child.stdin.write(answer);
  }
  const [code] = await closed;
  return { shown, code };
}

test('a typed secret is not shown', async () => {
  const { shown, code } = await converse(
    ['name? ', 'ada\r'],
    ['secret? ', 'hunter2\u007f\u007f22\r'],
    ['sure? [y/N] ', 'y\r'],
  );
  expect(code).toBe(0);
  expect(shown).toContain('ada');
  expect(shown).not.toMatch(/hunter|22/);
  expect(shown).toContain('{"name":"ada","length":7,"sure":true}');
});

test('an answer that is neither yes nor no is asked for again', async () => {
  const { shown, code } = await converse(
    ['name? ', 'ada\r'],
    ['secret? ', 'x\r'],
    ['sure? [y/N] ', 'maybe\r'],
    ['type y or n', 'No\r'],
  );
  expect(code).toBe(0);
  expect(shown).toContain('{"name":"ada","length":1,"sure":false}');
});

test.each(['\u0003', '\u0004'])('an interrupted question is a refusal: %j', async (key) => {
  const { shown, code } = await converse(['name? ', key]);
  expect(code).not.toBe(0);
  expect(shown).toContain('the question was not answered');
});
