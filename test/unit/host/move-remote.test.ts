// A remote entry becomes a local one in each host's own form, and undoing that gives the bytes that were there.
import { expect, test } from 'vitest';
import { editDocument, type FormatName, readDocument } from '../../../src/host/document.ts';
import { moveServer, serversOf } from '../../../src/host/servers.ts';
import { hosts } from '../../../src/host/table.ts';
import { applySplices, inverse } from '../../../src/host/text/edit.ts';

const launch = { command: '/w', args: ['run', 'x'] };
const json = (place: string, entry: string): string =>
  `{\n  "${place}": {\n    "x": ${entry} // mine\n  }\n}\n`;
const URL = 'https://mcp.example.com/mcp';

test.each<[host: string, text: string, entry: object]>([
  [
    'claude-code',
    json('mcpServers', `{ "type": "http", "url": "${URL}", "headers": { "A": "b" }, "oauth": {} }`),
    { type: 'stdio', command: '/w', args: ['run', 'x'] },
  ],
  ['cursor', json('mcpServers', `{ "type": "sse", "url": "${URL}" }`), launch],
  [
    'vscode',
    json('servers', `{ "type": "http", "url": "${URL}", "gallery": true }`),
    { type: 'stdio', gallery: true, ...launch },
  ],
  [
    'copilot-cli',
    json('mcpServers', `{ "type": "http", "url": "${URL}", "tools": ["*"] }`),
    { type: 'local', tools: ['*'], ...launch },
  ],
  ['windsurf', json('mcpServers', `{ "serverUrl": "${URL}", "headers": {} }`), launch],
  ['zed', json('context_servers', `{ "url": "${URL}", "headers": { "A": "b" } }`), launch],
  ['gemini', json('mcpServers', `{ "httpUrl": "${URL}", "trust": false }`), { trust: false, ...launch }],
  ['gemini', json('mcpServers', `{ "url": "${URL}", "type": "http" }`), launch],
  [
    'opencode',
    json('mcp', `{ "type": "remote", "url": "${URL}", "enabled": true, "headers": {}, "oauth": false }`),
    { type: 'local', enabled: true, command: ['/w', 'run', 'x'] },
  ],
  [
    'cline',
    json('mcpServers', `{ "type": "streamableHttp", "url": "${URL}", "timeout": 60 }`),
    { timeout: 60, ...launch },
  ],
  ['lm-studio', json('mcpServers', `{ "url": "${URL}" }`), launch],
  [
    'goose',
    `extensions:\n  # mine\n  x:\n    enabled: true\n    name: x\n    type: streamable_http # how\n    uri: ${URL}\n    headers:\n      A: b\n    env_keys: [K]\n`,
    { enabled: true, name: 'x', type: 'stdio', cmd: '/w', args: ['run', 'x'] },
  ],
  [
    'continue',
    `mcpServers:\n  - name: x # mine\n    type: streamable-http\n    url: ${URL}\n    requestOptions:\n      headers:\n        A: b\n  - name: y\n    command: z\n`,
    { name: 'x', ...launch },
  ],
  [
    'codex',
    `[mcp_servers.x] # mine\nurl = "${URL}"\nbearer_token_env_var = "K"\nhttp_headers = { A = "b" }\nstartup_timeout_sec = 10\n\n[mcp_servers.y]\ncommand = "z"\n`,
    { startup_timeout_sec: 10, ...launch },
  ],
  [
    'codex',
    `[mcp_servers.x]\r\nurl = "${URL}"\r\n\r\n[mcp_servers.x.http_headers]\r\nA = "b"\r\n\r\n[mcp_servers.y]\r\ncommand = "z"\r\n`,
    launch,
  ],
])('W-HOST-20 %s: a remote entry becomes a local one', (id, text, entry) => {
  const [file] = hosts[id]?.files ?? [];
  if (file === undefined) throw new Error(id);
  const format: FormatName = file.format;
  const document = readDocument(text, format);
  const [server] = serversOf(document, file);
  if (server === undefined) throw new Error('no server');
  expect(server.kind).toBe('remote');
  const after = editDocument(document, [moveServer(server, launch, file.shape)]);
  expect(serversOf(after.document, file)[0]?.entry).toEqual(entry);
  expect(after.document.text).toContain(/mine/.test(text) ? 'mine' : 'x');
  expect(applySplices(after.document.text, inverse(after.splices))).toBe(text);
});
