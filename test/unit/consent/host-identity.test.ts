import { expect, test } from 'vitest';
import { identifyHost } from '../../../src/consent/host-identity.ts';

test.each([
  ['a program', [{ exe: '/usr/bin/codex' }], '/usr/bin/codex', 'codex'],
  [
    'a program behind a shell',
    [{ exe: '/bin/dash' }, { exe: '/usr/bin/env' }, { exe: '/opt/Cursor/cursor' }],
    '/opt/Cursor/cursor',
    'cursor',
  ],
  [
    'a package',
    [{ exe: '/usr/bin/node', script: '/usr/lib/node_modules/@google/gemini-cli/dist/index.js' }],
    '/usr/lib/node_modules/@google/gemini-cli/dist/index.js',
    '@google/gemini-cli',
  ],
  ['a script', [{ exe: '/usr/bin/python3', script: '/home/a/agent.py' }], '/home/a/agent.py', 'agent.py'],
  ['an interpreter whose script is not known', [{ exe: '/usr/bin/node' }], '/usr/bin/node', 'node'],
  ['a program of another user', [{}], 'unknown', 'an unknown program'],
  ['nothing but shells', [{ exe: '/bin/sh' }], 'unknown', 'an unknown program'],
  ['a shell that runs a script', [{ exe: '/bin/bash', script: '/home/a/x.sh' }], '/home/a/x.sh', 'x.sh'],
])('%s', (_, chain, key, name) => {
  expect(identifyHost(chain)).toEqual({ key, name });
});
