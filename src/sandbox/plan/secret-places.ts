// Places that contain secrets, or that lead out of a sandbox. A sandbox contains only what its profile lists and what its
// command needs; this table says what cannot be listed. There are two kinds:
//
//   never         in no sandbox: a profile that lists such a place, or a path in it, is refused
//   when-listed   only in the sandbox of a profile that lists the place itself, or a path in it
//
// A folder above either cannot be listed, neither for reading nor for writing: what is hidden below a folder comes back
// when another program replaces it, and a place that does not exist yet cannot be hidden at all. The same holds for home
// folders and for the folders in them where each program has a folder of its own. So a program that this table does not
// know is protected too: its folder is in a sandbox only if a profile names it.

/** A secret place, by its absolute path. */
export interface SecretPlace {
  readonly path: string;
  readonly kind: 'never' | 'when-listed';
}

/** In a home folder, of the kind `never`. */
const NEVER = [
  '.ssh',
  '.gnupg',
  '.aws',
  '.password-store',
  '.local/share/keyrings',
  '.local/share/kwalletd',
  '.local/share/gnome-keyring',
  'Library/Keychains',
];

/**
 * In a home folder, of the kind `when-listed`: tokens of other programs, browsers, histories, configurations of MCP hosts.
 * The table serves places that are links to elsewhere, and places below a folder that a profile may list.
 */
const WHEN_LISTED = [
  '.azure',
  '.bash_history',
  '.boto',
  '.bundle/config',
  '.cache/huggingface/token',
  '.cargo/credentials',
  '.cargo/credentials.toml',
  '.claude',
  '.claude.json',
  '.codex',
  '.composer/auth.json',
  '.config/1Password',
  '.config/BraveSoftware',
  '.config/Bitwarden',
  '.config/Claude',
  '.config/Code',
  '.config/Code - Insiders',
  '.config/Cursor',
  '.config/Signal',
  '.config/Slack',
  '.config/VSCodium',
  '.config/Windsurf',
  '.config/chromium',
  '.config/composer/auth.json',
  '.config/doctl',
  '.config/gcloud',
  '.config/gh',
  '.config/git/credentials',
  '.config/github-copilot',
  '.config/glab-cli',
  '.config/google-chrome',
  '.config/helm',
  '.config/hub',
  '.config/kaggle',
  '.config/keepassxc',
  '.config/microsoft-edge',
  '.config/op',
  '.config/opera',
  '.config/rclone',
  '.config/sops',
  '.config/vivaldi',
  '.config/zed',
  '.continue',
  '.cursor',
  '.databrickscfg',
  '.docker',
  '.env',
  '.fly',
  '.gem/credentials',
  '.gemini',
  '.git-credentials',
  '.gradle/gradle.properties',
  '.huggingface',
  '.kaggle',
  '.kube',
  '.lesshst',
  '.local/share/atuin',
  '.local/share/fish/fish_history',
  '.m2/settings.xml',
  '.m2/settings-security.xml',
  '.mozilla',
  '.my.cnf',
  '.mylogin.cnf',
  '.mysql_history',
  '.netrc',
  '.node_repl_history',
  '.npmrc',
  '.oci',
  '.pgpass',
  '.pki',
  '.psql_history',
  '.pulumi',
  '.pypirc',
  '.python_history',
  '.rediscli_history',
  '.s3cfg',
  '.snowflake',
  '.snowsql',
  '.sqlite_history',
  '.terraform.d',
  '.terraformrc',
  '.thunderbird',
  '.vault-token',
  '.viminfo',
  '.vscode',
  '.vscode-insiders',
  '.windsurf',
  '.yarnrc.yml',
  '.zsh_history',
  'Library/Application Support/1Password',
  'Library/Application Support/BraveSoftware',
  'Library/Application Support/Claude',
  'Library/Application Support/Code',
  'Library/Application Support/Cursor',
  'Library/Application Support/Firefox',
  'Library/Application Support/Google/Chrome',
  'Library/Application Support/Signal',
  'Library/Application Support/Slack',
  'Library/Cookies',
  'Library/Mail',
  'Library/Messages',
  'Library/Safari',
];

/** In a home folder: folders where each program has a folder of its own. Only the programs' folders can be listed. */
const SHARED_BY_PROGRAMS = [
  '.cache',
  '.config',
  '.local',
  '.local/share',
  '.local/state',
  '.var',
  '.var/app',
  'snap',
  'AppData',
  'AppData/Local',
  'AppData/Roaming',
  'Library',
  'Library/Application Support',
  'Library/Caches',
  'Library/Containers',
  'Library/Group Containers',
  'Library/Preferences',
];

/** In the system, of the kind `never`. */
const SYSTEM = [
  '/boot',
  '/dev',
  '/etc/NetworkManager/system-connections',
  '/etc/gshadow',
  '/etc/gshadow-',
  '/etc/krb5.keytab',
  '/etc/shadow',
  '/etc/shadow-',
  '/etc/ssh',
  '/etc/ssl/private',
  '/etc/sudoers',
  '/etc/sudoers.d',
  '/proc',
  '/run/containerd',
  '/run/dbus',
  '/run/docker.sock',
  '/run/podman',
  '/run/secrets',
  '/run/systemd',
  '/run/user',
  '/sys',
  '/var/lib/containers',
  '/var/lib/docker',
];

/**
 * All secret places. `homes` are the home folders on this machine, including the user's own. `warder` are Warder's own
 * folders: the configuration with every profile, the state, and the sockets.
 */
export function secretPlaces(homes: readonly string[], warder: readonly string[]): SecretPlace[] {
  return [
    ...[...SYSTEM, ...warder, ...inHomes(homes, NEVER)].map((path) => ({ path, kind: 'never' as const })),
    ...inHomes(homes, WHEN_LISTED).map((path) => ({ path, kind: 'when-listed' as const })),
  ];
}

/** The folders in these homes that belong to many programs. */
export function foldersOfPrograms(homes: readonly string[]): string[] {
  return inHomes(homes, SHARED_BY_PROGRAMS);
}

function inHomes(homes: readonly string[], names: readonly string[]): string[] {
  return homes.flatMap((home) => names.map((name) => (home === '/' ? `/${name}` : `${home}/${name}`)));
}

/** Names in a package's folder that begin with a dot and that programs need to run. No token is in them. */
const NEEDED_BY_PROGRAMS = new Set([
  '.babelrc',
  '.build',
  '.next',
  '.node-version',
  '.nuxt',
  '.nvmrc',
  '.output',
  '.pnp.cjs',
  '.pnp.loader.mjs',
  '.python-version',
  '.svelte-kit',
  '.swcrc',
  '.tool-versions',
  '.venv',
  '.yarn',
]);

/**
 * Whether a name in a package's folder stays out of a sandbox whose profile does not list it: `.env`, `.git`, `.npmrc`
 * and every other name that begins with a dot, but those that programs need to run.
 */
export function isPrivateName(name: string): boolean {
  return (name.startsWith('.') && !NEEDED_BY_PROGRAMS.has(name)) || /\.env$/i.test(name);
}
