// The hosts: where each keeps its servers, in which format, and how an entry looks there. Data, from the documentation of
// each; test/fixtures/hosts has a file of each in its documented form.
import type { FormatName } from './document.ts';
import type { Path, Table } from './text/edit.ts';

/**
 * How an entry of a host looks. A local server is a program and its arguments, `command` and `args`, in one list
 * (`list`), or, as older versions of Zed have it, in a table of its own (`command: {path, args, env}`), which is
 * understood wherever `command` is a table.
 */
export interface Shape {
  readonly command: string;
  /** Undefined: the arguments stand in `command`, which is a list. */
  readonly args: string | undefined;
  readonly env: string;
  /** Members that name a remote server, the first one for new entries. */
  readonly url: readonly string[];
  readonly headers: string;
  /** What a new entry has beside. */
  readonly added: Table;
  /** The value of `type` of a local server, where a remote one has another. */
  readonly type?: string;
  /** Entries are a list; this member has the name. */
  readonly named?: string;
  /** An entry that has this member with this value is not used: `disabled: true`, `enabled: false`. */
  readonly off: readonly [member: string, value: boolean];
}

/** A place where servers are kept. */
export interface HostFile {
  /** Of the user, or of one project, which others may have written. */
  readonly scope: 'user' | 'project';
  /**
   * Paths by `process.platform`, and `all` for the others. They begin with `~/` (the home folder), `CONFIG/` (the folder
   * of settings: `~/.config` or XDG_CONFIG_HOME, macOS's Application Support, `%APPDATA%`), `LOCAL/` (`%LOCALAPPDATA%`),
   * a variable (`$CODEX_HOME/`, only if it is set), or `./` (the project). A `*` stands for one folder or name.
   */
  readonly paths: Readonly<Partial<Record<'linux' | 'darwin' | 'win32' | 'all', readonly string[]>>>;
  /** Copies of it that the host itself makes and keeps: what was in the file once is still in them. Paths as above. */
  readonly copies?: readonly string[];
  readonly format: FormatName;
  /** Where the entries are. `*` stands for each member; the first place is that of new entries. */
  readonly servers: readonly Path[];
  readonly shape: Shape;
}

export interface Host {
  readonly title: string;
  readonly files: readonly HostFile[];
  /** What a person does so that the host reads its file again. */
  readonly restart: string;
  /** The host's own command that tells of a server; `{name}` stands for the server's name. `starts`: it starts the server. */
  readonly check?: { readonly command: readonly string[]; readonly starts: boolean };
  /** Names of its processes; while one runs its file is not edited, because it would be written over. */
  readonly running?: readonly string[];
  /**
   * What the host locks while it writes the file `of` that name: a file beside it, by flock(2), or a folder beside it, which
   * it makes.
   */
  readonly lock?: { readonly kind: 'file' | 'folder'; readonly name: string; readonly of: string };
}

const STANDARD: Shape = {
  command: 'command',
  args: 'args',
  env: 'env',
  url: ['url'],
  headers: 'headers',
  added: {},
  off: ['disabled', true],
};
const TYPED: Shape = { ...STANDARD, added: { type: 'stdio' }, type: 'stdio' };
const CODE: HostFile['shape'] = TYPED;
const COPILOT: Shape = { ...STANDARD, added: { type: 'local', tools: ['*'] }, type: 'local' };

/** The folder of settings of VS Code and its kin. */
function code(folder: string): readonly HostFile[] {
  const user = (rest: string): string => `CONFIG/${folder}/User/${rest}`;
  return [
    {
      scope: 'user',
      paths: { all: [user('mcp.json'), user('profiles/*/mcp.json')] },
      format: 'json',
      servers: [['servers']],
      shape: CODE,
    },
    {
      scope: 'project',
      paths: { all: ['./.vscode/mcp.json'] },
      format: 'json',
      servers: [['servers']],
      shape: CODE,
    },
  ];
}

/** A host with one JSON file of its user, `mcpServers`. */
function usual(paths: HostFile['paths'], shape: Shape = STANDARD): HostFile {
  return { scope: 'user', paths, format: 'json', servers: [['mcpServers']], shape };
}

function project(...paths: string[]): HostFile {
  return { ...usual({ all: paths }), scope: 'project' };
}

export const hosts: Readonly<Record<string, Host>> = {
  'claude-desktop': {
    title: 'Claude Desktop',
    files: [
      usual({
        linux: ['CONFIG/Claude/claude_desktop_config.json'],
        darwin: ['CONFIG/Claude/claude_desktop_config.json'],
        win32: [
          'CONFIG/Claude/claude_desktop_config.json',
          'LOCAL/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json',
        ],
      }),
    ],
    restart: 'quit Claude Desktop and start it again',
    running: ['Claude', 'Claude.exe', 'claude-desktop'],
  },
  'claude-code': {
    title: 'Claude Code',
    files: [
      {
        scope: 'user',
        paths: { all: ['$CLAUDE_CONFIG_DIR/.claude.json', '~/.claude.json'] },
        // Seen with 2.1: a copy at a start, the five newest stay.
        copies: ['$CLAUDE_CONFIG_DIR', '~/.claude'].map((home) => `${home}/backups/.claude.json.backup.*`),
        format: 'json',
        servers: [['mcpServers'], ['projects', '*', 'mcpServers']],
        shape: TYPED,
      },
      { ...project('./.mcp.json'), shape: TYPED },
    ],
    restart: 'start Claude Code again',
    lock: { kind: 'folder', name: '.claude.json.lock', of: '.claude.json' },
    check: { command: ['claude', 'mcp', 'get', '{name}'], starts: true },
  },
  cursor: {
    title: 'Cursor',
    files: [usual({ all: ['~/.cursor/mcp.json'] }), project('./.cursor/mcp.json')],
    restart: "switch the server off and on in Cursor's settings",
  },
  vscode: {
    title: 'VS Code',
    files: code('Code'),
    restart: 'run "MCP: List Servers" in VS Code and restart the server',
  },
  'vscode-insiders': {
    title: 'VS Code Insiders',
    files: code('Code - Insiders'),
    restart: 'run "MCP: List Servers" in VS Code and restart the server',
  },
  vscodium: {
    title: 'VSCodium',
    files: code('VSCodium'),
    restart: 'run "MCP: List Servers" in VSCodium and restart the server',
  },
  'copilot-cli': {
    title: 'Copilot CLI',
    files: [
      usual({ all: ['$COPILOT_HOME/mcp-config.json', '~/.copilot/mcp-config.json'] }, COPILOT),
      // It reads the project's `.mcp.json` too, which is in the table as Claude Code's.
      { ...project('./.github/mcp.json'), shape: COPILOT },
    ],
    restart: 'start Copilot CLI again',
    lock: { kind: 'file', name: '.mcp-writer.lock', of: 'mcp-config.json' },
    check: { command: ['copilot', 'mcp', 'list'], starts: false },
  },
  windsurf: {
    title: 'Windsurf',
    files: [
      usual({ all: ['~/.codeium/windsurf/mcp_config.json'] }, { ...STANDARD, url: ['serverUrl', 'url'] }),
    ],
    restart: "refresh the servers in Windsurf's settings",
  },
  zed: {
    title: 'Zed',
    files: [
      {
        scope: 'user',
        paths: {
          win32: ['CONFIG/Zed/settings.json'],
          all: ['$XDG_CONFIG_HOME/zed/settings.json', '~/.config/zed/settings.json'],
        },
        format: 'json',
        servers: [['context_servers']],
        shape: { ...STANDARD, added: { source: 'custom' }, off: ['enabled', false] },
      },
      {
        scope: 'project',
        paths: { all: ['./.zed/settings.json'] },
        format: 'json',
        servers: [['context_servers']],
        shape: { ...STANDARD, added: { source: 'custom' }, off: ['enabled', false] },
      },
    ],
    restart: 'nothing is to be done: Zed reads its settings again',
  },
  codex: {
    title: 'Codex',
    files: (['user', 'project'] as const).map((scope) => ({
      scope,
      paths: {
        all:
          scope === 'user' ? ['$CODEX_HOME/config.toml', '~/.codex/config.toml'] : ['./.codex/config.toml'],
      },
      format: 'toml',
      servers: [['mcp_servers']],
      shape: { ...STANDARD, headers: 'http_headers', off: ['enabled', false] },
    })),
    restart: 'start Codex again',
    check: { command: ['codex', 'mcp', 'list'], starts: false },
  },
  gemini: {
    title: 'Gemini CLI',
    files: [
      usual({ all: ['~/.gemini/settings.json'] }, { ...STANDARD, url: ['httpUrl', 'url'] }),
      { ...project('./.gemini/settings.json'), shape: { ...STANDARD, url: ['httpUrl', 'url'] } },
    ],
    restart: 'start Gemini CLI again',
    check: { command: ['gemini', 'mcp', 'list'], starts: true },
  },
  opencode: {
    title: 'OpenCode',
    files: (['user', 'project'] as const).map((scope) => ({
      scope,
      paths: {
        // It reads and joins all of them.
        all: (scope === 'user'
          ? ['$XDG_CONFIG_HOME/opencode', '~/.config/opencode', '~/.opencode']
          : ['.', './.opencode']
        ).flatMap((folder) => [
          `${folder}/opencode.json`,
          `${folder}/opencode.jsonc`,
          ...(folder.endsWith('/opencode') ? [`${folder}/config.json`] : []),
        ]),
      },
      format: 'json',
      servers: [['mcp'], ['mcp', 'servers']],
      shape: {
        ...STANDARD,
        args: undefined,
        env: 'environment',
        added: { type: 'local', enabled: true },
        type: 'local',
        off: ['enabled', false],
      },
    })),
    restart: 'start OpenCode again',
    check: { command: ['opencode', 'mcp', 'list'], starts: true },
  },
  goose: {
    title: 'Goose',
    files: [
      {
        scope: 'user',
        paths: {
          win32: ['CONFIG/Block/goose/config/config.yaml'],
          all: ['$XDG_CONFIG_HOME/goose/config.yaml', '~/.config/goose/config.yaml'],
        },
        format: 'yaml',
        servers: [['extensions']],
        shape: {
          command: 'cmd',
          args: 'args',
          env: 'envs',
          url: ['uri'],
          headers: 'headers',
          added: { type: 'stdio', enabled: true, timeout: 300 },
          type: 'stdio',
          off: ['enabled', false],
        },
      },
    ],
    restart: 'start Goose again',
  },
  continue: {
    title: 'Continue',
    files: [
      {
        scope: 'user',
        paths: { all: ['~/.continue/config.yaml', '~/.continue/mcpServers/*.yaml'] },
        format: 'yaml',
        servers: [['mcpServers']],
        shape: { ...STANDARD, named: 'name' },
      },
      {
        scope: 'project',
        paths: { all: ['./.continue/mcpServers/*.yaml'] },
        format: 'yaml',
        servers: [['mcpServers']],
        shape: { ...STANDARD, named: 'name' },
      },
    ],
    restart: 'reload the configuration in Continue',
  },
  'lm-studio': {
    title: 'LM Studio',
    files: [usual({ all: ['~/.lmstudio/mcp.json'] })],
    restart: 'switch the server off and on in LM Studio',
  },
  cline: {
    title: 'Cline',
    files: [
      usual({
        all: [
          ...['Code', 'Code - Insiders', 'VSCodium', 'Cursor', 'Windsurf'].map(
            (folder) =>
              `CONFIG/${folder}/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json`,
          ),
          '~/.cline/data/settings/cline_mcp_settings.json',
        ],
      }),
    ],
    restart: 'restart the server in Cline',
  },
};
