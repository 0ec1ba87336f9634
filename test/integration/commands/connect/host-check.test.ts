import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { askHost } from '../../../../src/commands/connect/host-check.ts';
import { hosts } from '../../../../src/host/table.ts';

/** A home with a program `codex` of the given script; without one it is not installed. */
function home(script?: string): { dir: string; env: NodeJS.ProcessEnv } {
  const dir = mkdtempSync(join(tmpdir(), 'host-check-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  mkdirSync(join(dir, 'bin'));
  if (script !== undefined) writeFileSync(join(dir, 'bin/codex'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return {
    dir,
    env: { HOME: dir, PATH: script === undefined ? join(dir, 'bin') : `${dir}/bin:/usr/bin:/bin` },
  };
}

const { codex } = hosts;
const [file] = codex?.files ?? [];
if (codex === undefined || file === undefined) throw new Error('Codex is not in the table');
const ask = (options: object) => askHost({ host: codex, file }, 'demo', ['/w', 'run', 'demo'], options);

test('a host that is not installed says nothing', async () => {
  expect(await ask(home())).toBeUndefined();
});

test('W-HOST-34 a host that does not answer, or floods, is ended with all that it started', async () => {
  const { dir, env } = home('sleep 300 & echo $! >"$HOME/pid"; wait');
  expect(await ask({ env, patience: 1000 })).toEqual({ command: 'codex mcp list', state: 'silent' });
  const pid = readFileSync(join(dir, 'pid'), 'utf8').trim();
  await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
  expect(await ask({ ...home('exec yes demo: connected'), patience: 1000 })).toMatchObject({
    state: 'silent',
  });
});

test('W-HOST-34 what a host leaves behind does not keep the answer back', async () => {
  const { dir, env } = home('sleep 300 & echo $! >"$HOME/pid"; echo "demo  /w  run demo  enabled"');
  expect(await ask({ env })).toEqual({ command: 'codex mcp list', state: 'listed' });
  const pid = readFileSync(join(dir, 'pid'), 'utf8').trim();
  await expect.poll(() => existsSync(`/proc/${pid}`)).toBe(false);
});

test('W-HOST-34 in a project no command is run that starts what others have written', async () => {
  for (const [id, isRun] of Object.entries({ gemini: false, opencode: false, claude: true, codex: true })) {
    const host = hosts[id === 'claude' ? 'claude-code' : id];
    const project = host?.files.find(({ scope }) => scope === 'project');
    if (host === undefined) throw new Error(id);
    const { dir, env } = home('touch "$HOME/ran"');
    copyFileSync(join(dir, 'bin/codex'), join(dir, 'bin', id));
    await askHost({ host, file: { ...(project ?? host.files[0]), scope: 'project' } as never }, 'demo', [], {
      env,
    });
    expect([id, existsSync(join(dir, 'ran'))]).toEqual([id, isRun]);
  }
});
