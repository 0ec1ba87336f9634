// The servers that are measured: a trivial one, to which all that stands before it adds most, and a real one.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { echoServer } from '../../test/fixtures/echo.ts';

const root = join(import.meta.dirname, '../..');

/** `argv`: its command. `call`: the parameters of a small call; `large`: those of one with so many bytes in its answer. */
export const servers = {
  echo: {
    title: 'echo in C',
    argv: [echoServer()],
    call: '{"name":"echo","arguments":{"text":"hello"}}',
    large: (bytes) => `{"name":"echo","arguments":{"bytes":${bytes}}}`,
  },
  everything: {
    title: 'server-everything',
    argv: [
      process.execPath,
      join(root, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js'),
      'stdio',
    ],
    call: '{"name":"echo","arguments":{"message":"hello"}}',
    // It has no tool with a large result and small arguments, so the text is sent both ways.
    large: (bytes) => `{"name":"echo","arguments":{"message":"${'x'.repeat(bytes)}"}}`,
  },
};

/** Compiles a C program that stands here into `folder`. Returns its path. */
export function compiled(name, folder) {
  mkdirSync(folder, { recursive: true });
  const to = join(folder, name);
  execFileSync('cc', ['-O2', '-o', to, join(import.meta.dirname, `${name}.c`)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return to;
}
