// Places that hold secrets, or that are doors out of a sandbox. Two kinds:
//
//   never     not in any sandbox: a profile that names one, or anything in it, is refused
//   unnamed   not in a sandbox because a folder above was listed; there where a profile names it
//
// Both are hidden below a folder that may be read, and a folder above either may not be written to: a server
// that can make `~/.ssh` where none is, or change what a shell runs, needs no way out.

/** A place, by its absolute path. */
export interface SecretPlace {
  readonly path: string;
  readonly kind: 'never' | 'when-listed';
}

/** In a home folder. */
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

/** In a home folder: tokens of other programs, browsers, histories, and the configurations of hosts. */
const UNNAMED = [
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

/** Of the system. */
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
 * All such places. `homes` are the home folders of this machine, the user's own among them; `warder` are
 * Warder's own folders: its configuration with every profile, its state, and its sockets.
 */
export function secretPlaces(homes: readonly string[], warder: readonly string[]): SecretPlace[] {
  const inHomes = (names: readonly string[]): string[] =>
    homes.flatMap((home) => names.map((name) => (home === '/' ? `/${name}` : `${home}/${name}`)));
  return [
    ...[...SYSTEM, ...warder, ...inHomes(NEVER)].map((path) => ({ path, kind: 'never' as const })),
    ...inHomes(UNNAMED).map((path) => ({ path, kind: 'when-listed' as const })),
  ];
}
