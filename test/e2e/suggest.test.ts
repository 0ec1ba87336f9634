// `warder policy suggest`: what a person has answered becomes rules, as a diff that keeps the file's comments.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client } from '../fixtures/client.ts';
import { until } from '../fixtures/echo-home.ts';
import { Home, server } from '../fixtures/home.ts';

/** Calls a tool, and answers the question. */
async function call(
  home: Home,
  host: Client,
  name: string,
  args: object,
  ...answer: string[]
): Promise<void> {
  const asked = host.ask('tools/call', { name, arguments: args });
  const [question] = await home.questions();
  const [verb = '', ...options] = answer;
  await home.done([verb, question?.id ?? '', ...options]);
  await asked.answer;
}

test('W-POL-15 what you answered is proposed as rules, with its reasons, and what you refused is not allowed', async () => {
  await using home = new Home();
  const [command, ...args] = server('everything');
  const text = [
    '# mine',
    'server:',
    `  command: ${command} # node`,
    `  args: ${JSON.stringify(args)}`,
    'policy:',
    '  default: ask # people decide',
    '  tools:',
    '    "trigger-*": deny   # slow',
    '',
  ].join('\n');
  home.profile('ev', text);
  await using host = home.run('ev');
  await host.initialize('2025-11-25');
  {
    await using watch = new Client([...home.program, 'approvals', '--watch', '--json'], home.env);
    await watch.until(() => watch.lines.length > 0, 'who watches');
    await call(home, host, 'echo', { message: 'a' }, 'approve', '--session', '--tool');
    await host.ask('tools/call', { name: 'echo', arguments: { message: 'b' } }).answer;
    for (const a of [1, 2, 3]) await call(home, host, 'get-sum', { a, b: 1 }, 'approve');
    for (const n of [1, 2]) await call(home, host, 'get-env', { n }, 'deny');
    await call(home, host, 'get-tiny-image', {}, 'approve');
  }

  const suggested = await home.done(['policy', 'suggest', 'ev']);
  expect(suggested).toMatch(/^allow echo: 2 calls; you said yes once \(terminal\); asked for \S+$/m);
  expect(suggested).toMatch(/^allow get-sum: 3 calls; you said yes 3 times \(terminal\)/m);
  expect(suggested).toMatch(/^deny get-env: 2 calls; you said no 2 times \(terminal\)/m);
  expect(suggested).toContain('tools "get-tiny-image": you said yes once');
  const file = join(home.places.profiles, 'ev.yaml');
  expect(suggested).toContain(`\n--- ${file}\n+++ ${file}\n@@ `);
  expect(readFileSync(file, 'utf8')).toBe(text);

  const facts = await home.facts('policy', 'suggest', 'ev', '--since', '1h');
  expect(facts).toMatchObject({
    name: 'ev',
    rules: [
      { name: 'echo', says: 'allow', calls: 2, yes: 1, no: 0 },
      { name: 'get-sum', says: 'allow', calls: 3, yes: 3 },
      { name: 'get-env', says: 'deny', no: 2 },
    ],
    default: null,
    applied: false,
  });
  expect((await home.warder(['policy', 'suggest', 'ev', '--apply'])).stderr).toContain('use --yes');
  expect(readFileSync(file, 'utf8')).toBe(text);

  expect(await home.done(['policy', 'suggest', 'ev', '--apply', '--yes'])).toContain(`wrote ${file}`);
  expect(readFileSync(file, 'utf8')).toBe(
    `${text}    "echo": allow\n    "get-sum": allow\n    "get-env": deny\n`,
  );
  // The open session follows it: nobody is there any more, and nobody needs to be.
  await until(async () => {
    const { result } = await host.ask('tools/call', { name: 'get-sum', arguments: { a: 40, b: 2 } }).answer;
    return result.isError !== true && home.audit('tool.call').at(-1)?.rule === 'policy.tools.get-sum';
  }, 'the new rule');
  expect(await home.done(['policy', 'suggest', 'ev'])).toContain('nothing to suggest for "ev"');
});
