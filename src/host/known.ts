// Servers that many people have: what each reaches, and which of the folders in its arguments it changes. Data, from the
// documentation of each. A server that is not here is imported all the same, but its secrets cannot be sealed.

/** What is known of a package. */
export interface KnownServer {
  /** Hosts of its API: its secrets are sealed for them, and it reaches no others. */
  readonly hosts?: readonly string[];
  /** It changes what is in the folders that its arguments name. */
  readonly writes?: true;
  /** It remembers things in its own home. */
  readonly keepsHome?: true;
}

/** By the name of the package, without a version. */
export const known: Readonly<Record<string, KnownServer>> = {
  '@brave/brave-search-mcp-server': { hosts: ['api.search.brave.com'] },
  '@hubspot/mcp-server': { hosts: ['api.hubapi.com'] },
  '@modelcontextprotocol/server-brave-search': { hosts: ['api.search.brave.com'] },
  '@modelcontextprotocol/server-filesystem': { writes: true },
  '@modelcontextprotocol/server-github': { hosts: ['api.github.com'] },
  '@modelcontextprotocol/server-gitlab': { hosts: ['gitlab.com'] },
  '@modelcontextprotocol/server-google-maps': { hosts: ['maps.googleapis.com'] },
  '@modelcontextprotocol/server-memory': { keepsHome: true },
  '@modelcontextprotocol/server-slack': { hosts: ['slack.com'] },
  '@notionhq/notion-mcp-server': { hosts: ['api.notion.com'] },
  '@perplexity-ai/mcp-server': { hosts: ['api.perplexity.ai'] },
  '@sentry/mcp-server': { hosts: ['sentry.io', '*.sentry.io'] },
  '@stripe/mcp': { hosts: ['api.stripe.com'] },
  '@supabase/mcp-server-supabase': { hosts: ['api.supabase.com'] },
  '@upstash/context7-mcp': { hosts: ['context7.com'] },
  'airtable-mcp-server': { hosts: ['api.airtable.com'] },
  'exa-mcp-server': { hosts: ['api.exa.ai', 'mcp.exa.ai'] },
  'figma-developer-mcp': { hosts: ['api.figma.com'] },
  'firecrawl-mcp': { hosts: ['api.firecrawl.dev'] },
  'mcp-server-git': { writes: true },
  'server-perplexity-ask': { hosts: ['api.perplexity.ai'] },
  'slack-mcp-server': { hosts: ['slack.com', 'files.slack.com'] },
  'tavily-mcp': { hosts: ['api.tavily.com'] },
};
