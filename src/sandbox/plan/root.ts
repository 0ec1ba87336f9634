// The minimal root: what of the system every server finds, and nothing else. `/etc` holds what programs need
// to run at all (certificates, the loader's cache, names of services), and a user table with one user.

/**
 * What of the system may be there, if the machine has it. A folder is bound; a file is copied, which is quicker
 * than a mount; a link stays a link: its target is listed too, or in `/usr`.
 */
export const SYSTEM_PATHS = [
  '/usr',
  '/bin',
  '/sbin',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  // programs of NixOS and Guix
  '/nix/store',
  '/gnu/store',
  '/run/current-system',
  '/etc/static',
  // certificates of Debian, Red Hat, SUSE, Arch and Alpine; never the private keys beside them
  '/etc/ssl/cert.pem',
  '/etc/ssl/certs',
  '/etc/ssl/openssl.cnf',
  '/etc/ssl1.1',
  '/etc/ca-certificates/extracted',
  '/etc/pki/tls/cert.pem',
  '/etc/pki/tls/certs',
  '/etc/pki/tls/openssl.cnf',
  '/etc/pki/ca-trust',
  '/etc/crypto-policies',
  '/var/lib/ca-certificates',
  // the loader, which program stands behind a name, time and names
  '/etc/ld.so.cache',
  '/etc/ld-musl-x86_64.path',
  '/etc/ld-musl-aarch64.path',
  '/etc/alternatives',
  '/etc/localtime',
  '/etc/os-release',
  '/etc/protocols',
  '/etc/services',
  '/etc/fonts',
] as const;

/** Prefixes of further folders of `/etc`: Debian keeps parts of Java there. */
export const SYSTEM_PREFIXES = ['/etc/java-'] as const;

/** One of these that the machine has. */
export type SystemPath =
  | { readonly path: string; readonly kind: 'folder' | 'file' }
  | { readonly path: string; readonly kind: 'link'; readonly target: string };

/**
 * The kernel's settings, read-only. bubblewrap (0.8.0) makes them so only where it finds that it could write to
 * the folder, which it never does: yet root's server could write `kernel/core_pattern`, and with it have programs
 * run outside; and anybody's those of its own namespaces.
 */
export const KERNEL_SETTINGS = '/proc/sys';

/** Folders that are nobody's package and no profile's to list as a whole: too much is in them. */
export const TOO_WIDE: ReadonlySet<string> = new Set([
  '/',
  '/bin',
  '/etc',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/run',
  '/sbin',
  '/usr',
  '/var',
  // macOS
  '/Library',
  '/System',
  '/private',
  '/private/etc',
  '/private/var',
]);

/**
 * Entries of `/proc` that uid 0 may write to, or that only uid 0 may read, without any capability: hidden where
 * the real user is root. The rest is root's by capability, which no server has.
 */
export const PROC_OF_ROOT = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/fs',
  '/proc/kpagecgroup',
  '/proc/kpagecount',
  '/proc/kpageflags',
  '/proc/mtrr',
  '/proc/pressure',
  '/proc/scsi',
  '/proc/slabinfo',
  '/proc/sysrq-trigger',
  '/proc/vmallocinfo',
] as const;

/** Devices that a server has. */
export const DEVICES = [
  '/dev/null',
  '/dev/zero',
  '/dev/full',
  '/dev/random',
  '/dev/urandom',
  '/dev/tty',
] as const;

/** The name of the machine inside. */
export const HOSTNAME = 'warder';

/** The files of `/etc` that are written afresh. `reaches`: there is a network, and with it somebody to ask for names. */
export function etcFiles(
  user: string,
  uid: number,
  gid: number,
  home: string,
  reaches: boolean,
): Record<string, string> {
  return {
    ...(reaches ? { '/etc/resolv.conf': 'nameserver 127.0.0.1\noptions timeout:2 attempts:2\n' } : {}),
    '/etc/passwd': `${user}:x:${uid}:${gid}::${home}:/bin/sh\n`,
    '/etc/group': `${user}:x:${gid}:\n`,
    '/etc/hosts': `127.0.0.1 localhost ${HOSTNAME}\n::1 localhost ip6-localhost\n`,
    '/etc/nsswitch.conf':
      'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n',
  };
}
