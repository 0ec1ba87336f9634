// The minimal root: the parts of the system that every server finds, and nothing else. `/etc` contains what programs
// need to run at all (certificates, the loader's cache, names of services), and a user table with one user.

/**
 * Paths of the system that are in the sandbox if they exist. Folders are bound. Files are copied, which is faster than a
 * mount. Links stay links: their targets are in this list too, or in `/usr`.
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
  // the loader, alternatives, the time zone, names of services
  '/etc/ld.so.cache',
  '/etc/ld-musl-x86_64.path',
  '/etc/ld-musl-aarch64.path',
  '/etc/alternatives',
  '/etc/localtime',
  '/etc/os-release',
  '/etc/protocols',
  '/etc/services',
  '/etc/fonts',
  // without it Debian's Chromium does not start
  '/etc/chromium.d',
] as const;

/** Prefixes of more folders in `/etc`: Debian keeps parts of Java there. */
export const SYSTEM_PREFIXES = ['/etc/java-'] as const;

/** A system path that exists. */
export type SystemPath =
  | { readonly path: string; readonly kind: 'folder' | 'file' }
  | { readonly path: string; readonly kind: 'link'; readonly target: string };

/**
 * The kernel's settings, bound read-only. bubblewrap (0.8.0) does so only if it could write to the folder itself, which
 * it never can. But root's server could write `kernel/core_pattern`, and with it run programs outside; and every server
 * could write the settings of its own namespaces.
 */
export const KERNEL_SETTINGS = '/proc/sys';

/** Folders that contain too much to be a package, or to be listed by a profile as a whole. */
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
 * Entries of `/proc` that uid 0 may write, or that only uid 0 may read, without any capability. They are hidden if the
 * real user is root. Root's other rights come from capabilities, which no server has.
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

/** The devices in a sandbox. */
export const DEVICES = [
  '/dev/null',
  '/dev/zero',
  '/dev/full',
  '/dev/random',
  '/dev/urandom',
  '/dev/tty',
] as const;

/** The host name inside. */
export const HOSTNAME = 'warder';

/** The generated files of `/etc`. `hasNetwork`: the sandbox has a network, and with it a name server. */
export function etcFiles(
  user: string,
  uid: number,
  gid: number,
  home: string,
  hasNetwork: boolean,
): Record<string, string> {
  return {
    ...(hasNetwork ? { '/etc/resolv.conf': 'nameserver 127.0.0.1\noptions timeout:2 attempts:2\n' } : {}),
    '/etc/passwd': `${user}:x:${uid}:${gid}::${home}:/bin/sh\n`,
    '/etc/group': `${user}:x:${gid}:\n`,
    '/etc/hosts': `127.0.0.1 localhost ${HOSTNAME}\n::1 localhost ip6-localhost\n`,
    '/etc/nsswitch.conf':
      'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n',
  };
}
