// Where a host's files are on a machine: the paths of the table with the user's folders and variables in them. Pure.
import type { HostFile } from './table.ts';

/** What the paths of the table are made from. */
export interface Surroundings {
  readonly platform: string;
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The project's folder. */
  readonly project: string;
}

/** The paths of a file on a machine, with `*` in them. Variables that are not set, or not absolute, give none. */
export function pathsOf(
  { paths }: Pick<HostFile, 'paths'>,
  { platform, home, env, project }: Surroundings,
): string[] {
  const own = paths[platform as 'linux'] ?? paths.all ?? [];
  return [...new Set(own.flatMap((path) => expand(path) ?? []))];

  function expand(path: string): string | undefined {
    const [first = '', ...rest] = path.split('/');
    const base = baseOf(first);
    return base === undefined ? undefined : [base.replace(/[/\\]+$/, ''), ...rest].join('/');
  }

  function baseOf(first: string): string | undefined {
    const absolute = (value: string | undefined): string | undefined =>
      value !== undefined && /^(?:\/|[A-Za-z]:[\\/])/.test(value) ? value : undefined;
    if (first === '~') return home;
    if (first === '.') return project;
    if (first.startsWith('$')) return absolute(env[first.slice(1)]);
    if (first === 'LOCAL') return absolute(env.LOCALAPPDATA) ?? `${home}/AppData/Local`;
    if (platform === 'darwin') return `${home}/Library/Application Support`;
    if (platform === 'win32') return absolute(env.APPDATA) ?? `${home}/AppData/Roaming`;
    return absolute(env.XDG_CONFIG_HOME) ?? `${home}/.config`;
  }
}
