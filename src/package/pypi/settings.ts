// The user's settings of pip, and which of them Warder uses. A package comes from one index: pip takes the highest version
// that any of several has, so whoever publishes a private package's name on a public index would be installed. Pure.

/** Settings that say how the index is reached. No other setting reaches pip: none of them is needed to install wheels. */
const CARRIED = [
  ...['index-url', 'cert', 'client-cert', 'proxy', 'trusted-host', 'timeout', 'default-timeout', 'retries'],
  ...['cache-dir', 'no-cache-dir', 'keyring-provider', 'use-feature'],
];

/** Settings that would add a second source. */
const SOURCES = ['extra-index-url', 'find-links'];

export interface PipSettings {
  /** The variables for pip. */
  readonly variables: Readonly<Record<string, string>>;
  /** Settings that name a further source, and are not used. */
  readonly ignored: readonly string[];
}

/**
 * Reads what `pip config list` prints: `<section>.<name>='<value>'`, with the section `:env:` for variables. pip reads
 * `global`, then the command's section, then the environment.
 */
export function readPipSettings(listed: string): PipSettings {
  const values = new Map<string, string>();
  for (const section of ['global', 'install', ':env:']) {
    for (const line of listed.split(/\r?\n/)) {
      const [, from, name, single, double] =
        /^(global|install|:env:)\.([a-z-]+)=(?:'(.*)'|"(.*)")$/.exec(line) ?? [];
      const value = single ?? double ?? '';
      // pip ignores an empty setting.
      if (from === section && name !== undefined && value !== '')
        values.set(name, value.replaceAll('\\n', ' '));
    }
  }
  // Without an index, the folders of `find-links` are the one source.
  const offline = /^(?:1|true|yes|on)$/i.test(values.get('no-index') ?? '');
  const carried = offline
    ? ['no-index', 'find-links', ...CARRIED.filter((name) => name !== 'index-url')]
    : CARRIED;
  const variables = carried.flatMap((name) => {
    const value = values.get(name);
    return value === undefined ? [] : [[`PIP_${name.toUpperCase().replaceAll('-', '_')}`, value] as const];
  });
  return {
    variables: Object.fromEntries(variables),
    ignored: SOURCES.filter((name) => values.has(name) && !carried.includes(name)),
  };
}
