// Places that contain secrets, or that lead out of a sandbox. There are two kinds:
//
//   never         in no sandbox: a profile that lists such a place, or a path in it, is refused
//   when-listed   only in the sandbox of a profile that lists the place itself, not merely a folder above it
//
// Both are hidden below a folder that may be read. A folder above either cannot be listed for writing: a server that can
// create `~/.ssh`, or change what a shell runs, does not need to break out.

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

/** In a home folder, of the kind `when-listed`: tokens of other programs, browsers, histories, configurations of MCP hosts. */
const WHEN_LISTED = [
  '.azure',
  '.boto',
  '.bash_history',
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
  '.config/chromium',
  '.config/composer/auth.json',
  '.config/gcloud',
  '.config/gh',
  '.config/git/credentials',
  '.config/glab-cli',
  '.config/google-chrome',
  '.config/hub',
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
  '.docker',
  '.gem/credentials',
  '.gemini',
  '.git-credentials',
  '.gradle/gradle.properties',
  '.kube',
  '.local/share/fish/fish_history',
  '.m2/settings.xml',
  '.mozilla',
  '.my.cnf',
  '.netrc',
  '.node_repl_history',
  '.npmrc',
  '.pgpass',
  '.pki',
  '.psql_history',
  '.pypirc',
  '.python_history',
  '.s3cfg',
  '.terraform.d',
  '.thunderbird',
  '.var/app',
  '.vault-token',
  '.zsh_history',
  'Library/Application Support/1Password',
  'Library/Application Support/BraveSoftware',
  'Library/Application Support/Claude',
  'Library/Application Support/Code',
  'Library/Application Support/Firefox',
  'Library/Application Support/Google/Chrome',
  'Library/Cookies',
  'Library/Mail',
  'Library/Messages',
  'Library/Safari',
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
  const inHomes = (names: readonly string[]): string[] =>
    homes.flatMap((home) => names.map((name) => (home === '/' ? `/${name}` : `${home}/${name}`)));
  return [
    ...[...SYSTEM, ...warder, ...inHomes(NEVER)].map((path) => ({ path, kind: 'never' as const })),
    ...inHomes(WHEN_LISTED).map((path) => ({ path, kind: 'when-listed' as const })),
  ];
}
