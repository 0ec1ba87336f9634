// The hosts that scripts/hosts runs: the package of each, its configuration with some servers in it, and how it runs one
// turn without an account, against the scripted model.
import { join } from 'node:path';
import { runCodex } from './codex.js';
import { runTurn } from './turn.js';

/**
 * A server of a configuration: `{command, args, env}`.
 * @typedef {{command: string, args: string[], env?: Record<string, string>}} Server
 */

/** Servers as most hosts have them, with `type` first where the host has one. */
function tables(servers, first = {}, last = {}) {
  return Object.fromEntries(
    Object.entries(servers).map(([name, server]) => [name, { ...first, ...server, ...last }]),
  );
}

function json(value) {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** The JSON of a configuration with one more server. */
function withTable(text, name, entry) {
  const value = JSON.parse(text);
  return json({ ...value, mcpServers: { ...value.mcpServers, [name]: entry } });
}

const yamlEntry = ([name, { command, args, env }]) =>
  [
    `  - name: ${name}`,
    `    command: ${command}`,
    `    args: ${JSON.stringify(args)}`,
    ...(env === undefined ? [] : ['    env:']),
    ...Object.entries(env ?? {}).map(([key, value]) => `      ${key}: ${value}`),
  ].join('\n');

const tomlEntry = ([name, { command, args, env }]) =>
  [
    `[mcp_servers.${name}]`,
    `command = ${JSON.stringify(command)}`,
    `args = ${JSON.stringify(args)} # as its README has it`,
    ...(env === undefined ? [] : ['', `[mcp_servers.${name}.env]`]),
    ...Object.entries(env ?? {}).map(([key, value]) => `${key} = ${JSON.stringify(value)}`),
    '',
  ].join('\n');

/**
 * By Warder's names for hosts. `file` is the configuration below the home folder; `configuration` its text; `turn` runs the
 * host once and returns its tools and the results of `calls`; `managed` is the file by which a machine's administrator
 * allows servers, and `withServer` adds one to a configuration.
 */
export const PROGRAMS = {
  'claude-code': {
    package: '@anthropic-ai/claude-code',
    bin: 'claude',
    file: '.claude.json',
    configuration: ({ servers }) => json({ theme: 'dark', mcpServers: tables(servers, { type: 'stdio' }) }),
    turn: (run) =>
      runTurn(run, ['-p', 'go', '--allowedTools', ...run.servers.map((name) => `mcp__${name}`)], {
        ANTHROPIC_BASE_URL: run.model.url,
        ANTHROPIC_API_KEY: 'none',
        ENABLE_TOOL_SEARCH: 'false',
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
        // Without a person it asks the model after five seconds, with the servers that are there by then.
        MCP_CONNECTION_NONBLOCKING: 'false',
        MCP_CONNECT_TIMEOUT_MS: '60000',
        DISABLE_AUTOUPDATER: '1',
      }),
    managed: '/etc/claude-code/managed-settings.json',
    withServer: (text, name, server) => withTable(text, name, { type: 'stdio', ...server }),
  },
  codex: {
    package: '@openai/codex',
    bin: 'codex',
    file: '.codex/config.toml',
    configuration: ({ servers, project }) =>
      [
        '# what I work with',
        `[projects.${JSON.stringify(project)}]`,
        'trust_level = "trusted"',
        '',
        ...Object.entries(servers).map(tomlEntry),
      ].join('\n'),
    turn: runCodex,
    managed: '/etc/codex/requirements.toml',
    withServer: (text, name, server) => `${text}\n${tomlEntry([name, server])}`,
  },
  gemini: {
    package: '@google/gemini-cli',
    bin: 'gemini',
    file: '.gemini/settings.json',
    configuration: ({ servers }) =>
      json({
        security: { auth: { selectedType: 'gemini-api-key' }, folderTrust: { enabled: false } },
        mcpServers: tables(servers),
      }),
    turn: (run) =>
      runTurn(run, ['-m', 'gemini-2.5-flash', '--yolo', '-p', 'go'], {
        GOOGLE_GEMINI_BASE_URL: run.model.url,
        GEMINI_API_KEY: 'none',
      }),
  },
  opencode: {
    package: 'opencode-ai',
    bin: 'opencode',
    file: '.config/opencode/opencode.json',
    configuration: ({ servers, model }) =>
      json({
        autoupdate: false,
        model: 'scripted/scripted',
        provider: {
          scripted: {
            npm: '@ai-sdk/openai-compatible',
            name: 'Scripted',
            options: { baseURL: `${model.url}/v1` },
            models: { scripted: {} },
          },
        },
        mcp: Object.fromEntries(
          Object.entries(servers).map(([name, { command, args, env }]) => [
            name,
            { type: 'local', command: [command, ...args], ...(env && { environment: env }) },
          ]),
        ),
      }),
    turn: (run) => runTurn(run, ['run', '--auto', 'go'], {}),
  },
  'copilot-cli': {
    package: '@github/copilot',
    bin: 'copilot',
    file: '.copilot/mcp-config.json',
    configuration: ({ servers }) =>
      json({ mcpServers: tables(servers, { type: 'local' }, { tools: ['*'] }) }),
    turn: (run) =>
      runTurn(run, ['-p', 'go', '--allow-all-tools'], {
        COPILOT_PROVIDER_BASE_URL: `${run.model.url}/v1`,
        COPILOT_MODEL: 'scripted',
        COPILOT_OFFLINE: 'true',
        COPILOT_AUTO_UPDATE: 'false',
      }),
    managed: '/etc/github-copilot/managed-settings.json',
    withServer: (text, name, server) => withTable(text, name, { type: 'local', ...server, tools: ['*'] }),
  },
  continue: {
    package: '@continuedev/cli',
    bin: 'cn',
    file: '.continue/config.yaml',
    configuration: ({ servers, model }) =>
      [
        'name: mine',
        'version: 0.0.1',
        'schema: v1',
        'models:',
        '  - name: scripted',
        '    provider: openai',
        '    model: scripted',
        `    apiBase: ${model.url}/v1`,
        '    apiKey: none',
        '    roles: [chat]',
        '    capabilities: [tool_use]',
        'mcpServers: # all of them local',
        ...Object.entries(servers).map(yamlEntry),
        '',
      ].join('\n'),
    turn: (run) =>
      runTurn(run, ['-p', '--auto', '--config', join(run.home, '.continue/config.yaml'), 'go'], {
        CONTINUE_TELEMETRY_ENABLED: '0',
      }),
  },
};
