// The search list of the system's resolver (resolv.conf(5)): which names a short name may stand for.

/** What a resolver's configuration says of names. */
export interface SearchList {
  /** In the order of the file; without the root's dot. */
  readonly domains: readonly string[];
  /** A name with fewer dots is tried below each domain before it is tried as it is. */
  readonly ndots: number;
}

/** The system's limits (resolv.h): further domains and more dots are ignored. */
const MAX_DOMAINS = 6;
const MAX_NDOTS = 15;

/** Reads `search`, `domain` (of both the last counts) and `options ndots:N`. */
export function parseSearchList(text: string): SearchList {
  let domains: readonly string[] = [];
  let ndots = 1;
  for (const line of text.split(/\r?\n/)) {
    const [key, ...words] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (key === 'search' || key === 'domain') {
      domains = words.map((word) => word.toLowerCase().replace(/\.$/, '')).filter((word) => word !== '');
      if (key === 'domain') domains = domains.slice(0, 1);
    }
    if (key === 'options') {
      const [, digits] = /(?:^| )ndots:(\d{1,3})(?: |$)/.exec(words.join(' ')) ?? [];
      if (digits !== undefined) ndots = Math.min(Number(digits), MAX_NDOTS);
    }
  }
  return { domains: domains.slice(0, MAX_DOMAINS), ndots };
}

/** The names to ask for, in this order, where a program asks for `name`. */
export function candidates(name: string, { domains, ndots }: SearchList): readonly string[] {
  const below = domains.map((domain) => `${name}.${domain}`).filter((full) => full.length <= 253);
  const dots = name.split('.').length - 1;
  return dots >= ndots ? [name, ...below] : [...below, name];
}
