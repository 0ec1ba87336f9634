// Servers that many people have: what each reaches, where its requests carry its secrets, and what it needs to run in a
// sandbox. Data: of npm from running them through the gate (`scripts/servers`, whose table is in the README), else from the code
// of the package. A server that is not here is imported all the same, but its secrets cannot be sealed.
import { parseHost, parseNetworkHost } from '../profile/host.ts';
import { nonHttpsProtocol } from '../profile/remote-checks.ts';

/** What is known of a package. */
export interface KnownServer {
  /**
   * Hosts of its API: its secrets are sealed for them, and it reaches no others. `{NAME}` stands for the value of a
   * variable, `{NAME:default}` for that or the default; of a URL it is the host. An entry whose variable is not there is left out.
   */
  readonly hosts?: readonly string[];
  /** Where its requests carry the secrets, as `as` of a profile says it; without it in a header. */
  readonly as?: KnownPlace;
  /** The variables of the secrets that it cannot do without. */
  readonly secrets?: readonly string[];
  /** Why its secrets cannot be sealed; it gets them as they are. */
  readonly unsealable?: string;
  /** Further hosts that it needs, which get no secret: entries of `sandbox.network`, with `{NAME}` as in `hosts`. */
  readonly reaches?: readonly string[];
  /** Variables without which it does not work in a sandbox, where they are not given. `~/` is the home folder. */
  readonly env?: Readonly<Record<string, string>>;
  /** Those variables that name a file which it changes: the folder of it is made, and may be written. */
  readonly writesAt?: readonly string[];
  /** Arguments without which it does not work in a sandbox, where their options are not given. */
  readonly args?: readonly string[];
  /** It drives a browser of this machine, which a variable or the beginning of an argument names. */
  readonly browser?: { readonly variable: string } | { readonly argument: string };
  /** It changes what is in the folders that its arguments name. */
  readonly writes?: true;
  /** It remembers things in its own home. */
  readonly keepsHome?: true;
  /** What else a person has to know. */
  readonly note?: string;
}

export type KnownPlace = 'bearer' | 'basic' | 'header' | 'query' | 'body' | 'any';

const SITES = 'it reaches only the sites that you allow: warder allow NAME HOST';
const BROWSER = `its browser has no window, and ${SITES}`;
const NOT_HTTP = 'it speaks the protocol of a database, into which no secret can be put';

/** Of npm, by name. */
const npm: Readonly<Record<string, KnownServer>> = {
  '@playwright/mcp': {
    env: {
      PLAYWRIGHT_MCP_HEADLESS: 'true',
      PLAYWRIGHT_MCP_ISOLATED: 'true',
      PLAYWRIGHT_MCP_SANDBOX: 'false',
    },
    browser: { variable: 'PLAYWRIGHT_MCP_EXECUTABLE_PATH' },
    note: BROWSER,
  },
  'chrome-devtools-mcp': {
    args: [
      '--headless',
      '--isolated',
      '--chromeArg=--no-sandbox',
      '--no-usage-statistics',
      '--no-performance-crux',
    ],
    browser: { argument: '--executablePath=' },
    note: BROWSER,
  },
  '@modelcontextprotocol/server-puppeteer': {
    env: {
      ALLOW_DANGEROUS: 'true',
      PUPPETEER_LAUNCH_OPTIONS: '{"headless":true,"args":["--no-sandbox"]}',
    },
    browser: { variable: 'PUPPETEER_EXECUTABLE_PATH' },
    note: BROWSER,
  },
  '@upstash/context7-mcp': { hosts: ['context7.com'], as: 'bearer' },
  '@modelcontextprotocol/server-filesystem': { writes: true },
  '@supabase/mcp-server-supabase': {
    hosts: ['api.supabase.com'],
    as: 'bearer',
    secrets: ['SUPABASE_ACCESS_TOKEN'],
    reaches: ['supabase.com'],
  },
  '@modelcontextprotocol/server-github': {
    hosts: ['api.github.com'],
    as: 'bearer',
    secrets: ['GITHUB_PERSONAL_ACCESS_TOKEN'],
  },
  '@modelcontextprotocol/server-memory': {
    env: { MEMORY_FILE_PATH: '~/.local/share/mcp-memory/memory.jsonl' },
    writesAt: ['MEMORY_FILE_PATH'],
  },
  '@modelcontextprotocol/server-postgres': { unsealable: NOT_HTTP },
  '@notionhq/notion-mcp-server': { hosts: ['api.notion.com'], as: 'bearer', secrets: ['NOTION_TOKEN'] },
  '@modelcontextprotocol/server-google-maps': {
    hosts: ['maps.googleapis.com'],
    as: 'query',
    secrets: ['GOOGLE_MAPS_API_KEY'],
  },
  '@circleci/mcp-server-circleci': {
    hosts: ['{CIRCLECI_BASE_URL:circleci.com}'],
    as: 'header',
    secrets: ['CIRCLECI_TOKEN'],
  },
  'n8n-mcp': { hosts: ['{N8N_API_URL}'] },
  'mongodb-mcp-server': {
    unsealable: NOT_HTTP,
    note: 'the hosts of a mongodb+srv:// address are not found in a sandbox: give a mongodb:// one, which names them',
  },
  '@stripe/mcp': {
    hosts: ['mcp.stripe.com'],
    as: 'bearer',
    secrets: ['STRIPE_SECRET_KEY'],
  },
  // In "Authorization" and in the body of the same request.
  'tavily-mcp': { hosts: ['api.tavily.com'], as: 'any', secrets: ['TAVILY_API_KEY'] },
  '@modelcontextprotocol/server-slack': { hosts: ['slack.com'], as: 'bearer', secrets: ['SLACK_BOT_TOKEN'] },
  '@zereight/mcp-gitlab': {
    hosts: ['{GITLAB_API_URL:gitlab.com}'],
    secrets: ['GITLAB_PERSONAL_ACCESS_TOKEN'],
  },
  'firecrawl-mcp': { hosts: ['api.firecrawl.dev'], as: 'bearer', secrets: ['FIRECRAWL_API_KEY'] },
  '@modelcontextprotocol/server-brave-search': {
    hosts: ['api.search.brave.com'],
    as: 'header',
    secrets: ['BRAVE_API_KEY'],
  },
  '@sentry/mcp-server': {
    hosts: ['sentry.io', '*.sentry.io'],
    as: 'bearer',
    secrets: ['SENTRY_ACCESS_TOKEN'],
  },
  'figma-developer-mcp': { hosts: ['api.figma.com'], as: 'header', secrets: ['FIGMA_API_KEY'] },
  '@winor30/mcp-server-datadog': {
    hosts: ['{DATADOG_SUBDOMAIN:api}.{DATADOG_SITE:datadoghq.com}'],
    as: 'header',
    secrets: ['DATADOG_API_KEY', 'DATADOG_APP_KEY'],
  },
  // In "Authorization", and in the body of the request that asks whose it is.
  '@hubspot/mcp-server': {
    hosts: ['{BASE_URL_OVERRIDE:api.hubspot.com}'],
    as: 'any',
    secrets: ['PRIVATE_APP_ACCESS_TOKEN'],
  },
  '@perplexity-ai/mcp-server': {
    hosts: ['api.perplexity.ai'],
    as: 'bearer',
    secrets: ['PERPLEXITY_API_KEY'],
  },
  '@apify/actors-mcp-server': {
    hosts: ['api.apify.com'],
    as: 'bearer',
    secrets: ['APIFY_TOKEN'],
  },
  '@brave/brave-search-mcp-server': {
    hosts: ['api.search.brave.com'],
    as: 'header',
    secrets: ['BRAVE_API_KEY'],
  },
  'slack-mcp-server': {
    hosts: ['slack.com', '*.slack.com'],
    as: 'body',
    note: 'its tokens go into the body, but the cookie of a browser (SLACK_MCP_XOXD_TOKEN) into a header: that one needs "as: header" in the profile',
  },
  '@aashari/mcp-server-atlassian-jira': {
    hosts: ['{ATLASSIAN_SITE_NAME}.atlassian.net'],
    as: 'basic',
    secrets: ['ATLASSIAN_API_TOKEN'],
  },
  'exa-mcp-server': { hosts: ['api.exa.ai'], as: 'header', secrets: ['EXA_API_KEY'] },
  '@benborla29/mcp-server-mysql': {
    unsealable: NOT_HTTP,
    reaches: ['{MYSQL_HOST:127.0.0.1}:{MYSQL_PORT:3306}'],
  },
  '@bytebase/dbhub': { unsealable: NOT_HTTP },
  '@brightdata/mcp': { hosts: ['api.brightdata.com'], as: 'bearer', secrets: ['API_TOKEN'] },
  '@mondaydotcomorg/monday-api-mcp': { hosts: ['api.monday.com'], as: 'header' },
  '@mapbox/mcp-server': { hosts: ['api.mapbox.com'], as: 'query', secrets: ['MAPBOX_ACCESS_TOKEN'] },
  '@modelcontextprotocol/server-gitlab': {
    hosts: ['{GITLAB_API_URL:gitlab.com}'],
    as: 'bearer',
    secrets: ['GITLAB_PERSONAL_ACCESS_TOKEN'],
  },
  'airtable-mcp-server': { hosts: ['api.airtable.com'], as: 'bearer', secrets: ['AIRTABLE_API_KEY'] },
};

/** Of PyPI, by normalized name: from the documentation of each. */
const pypi: Readonly<Record<string, KnownServer>> = {
  'elevenlabs-mcp': { hosts: ['api.elevenlabs.io'], as: 'header', secrets: ['ELEVENLABS_API_KEY'] },
  // A token of the cloud goes with a name (Basic), one of a server of one's own alone (Bearer).
  'mcp-atlassian': { hosts: ['{JIRA_URL}', '{CONFLUENCE_URL}'], as: 'header' },
  'mcp-server-fetch': { note: SITES },
  'mcp-server-git': { writes: true },
  'postgres-mcp': { unsealable: NOT_HTTP, secrets: ['DATABASE_URI'] },
  'redis-mcp-server': { unsealable: NOT_HTTP },
};

export const known = { npm, pypi } as const;

/** What is known of a package; nothing of most, and nothing of a bundle, whose name is its author's to choose. */
export function knownServer(registry: keyof typeof known | 'mcpb', name: string): KnownServer {
  if (registry === 'mcpb') return {};
  const table = known[registry];
  return Object.hasOwn(table, name) ? (table[name] ?? {}) : {};
}

/** The hosts that a server's secrets are sealed for, with these variables. */
export function knownHosts({ hosts = [] }: KnownServer, env: Readonly<Record<string, string>>): string[] {
  return [...new Set(hosts.flatMap((entry) => fillIn(entry, env, requireTls) ?? []))];
}

/** What it reaches beside them, as entries of `sandbox.network`. */
export function knownReach({ reaches = [] }: KnownServer, env: Readonly<Record<string, string>>): string[] {
  return [...new Set(reaches.flatMap((entry) => fillIn(entry, env, parseNetworkHost) ?? []))];
}

/** Throws RangeError for what is no host, or has the port of a protocol without TLS: a profile seals nothing for such. */
function requireTls(host: string): void {
  const { port } = parseHost(host);
  if (port !== undefined && nonHttpsProtocol(port) !== undefined)
    throw new RangeError(`"${host}" has no TLS`);
}

/** An entry with its variables filled in; undefined if that comes to no host. */
function fillIn(
  entry: string,
  env: Readonly<Record<string, string>>,
  check: (host: string) => unknown,
): string | undefined {
  let isWhole = true;
  const text = entry.replaceAll(/\{(\w+)(?::([^}]*))?\}/g, (_, name: string, fallback?: string) => {
    const value = Object.hasOwn(env, name) && env[name] !== '' ? env[name] : fallback;
    const host = value === undefined ? undefined : hostOf(value);
    // A wildcard is the table's to say.
    if (host === undefined || host.includes('*')) isWhole = false;
    return host ?? '';
  });
  if (!isWhole) return undefined;
  try {
    check(text);
    return text;
  } catch {
    return undefined;
  }
}

/** The host of an https URL, with a port that is not the usual one; what is no URL is taken as it is. */
function hostOf(value: string): string | undefined {
  if (!/^[a-z][a-z0-9+.-]*:/i.test(value)) return value.trim().toLowerCase();
  const url = URL.canParse(value) ? new URL(value) : undefined;
  return url?.protocol === 'https:' ? url.host : undefined;
}
