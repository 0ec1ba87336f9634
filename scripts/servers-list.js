// The servers that scripts/servers runs: the entry that the README of each has for hosts, with made-up secrets in the shape
// of real ones (`secrets`: those that are inside of a longer text); the hosts of its API, which are answered by the script
// itself; and a call that does some work, with what its result contains, or a call that reaches the API.

const hex = (length) => '0123456789abcdef'.repeat(8).slice(0, length);
const word = (length) => '0aB3cD5eF7gH9iJ1kL2mN4oP6qR8sT'.repeat(8).slice(0, length);
const uuid = `${hex(8)}-${hex(4)}-4bcd-8bcd-${hex(12)}`;
const npx = (args, env) => ({ command: 'npx', args: args.split(' '), ...(env === undefined ? {} : { env }) });
const page = 'data:text/html,<title>tab</title><h1>It works</h1>';

/** @param {{notes: string, port: number, password: string}} given the folder for files, and PostgreSQL's port and password */
export function listServers({ notes, port, password }) {
  return [
    {
      name: 'playwright',
      entry: npx('@playwright/mcp@latest'),
      call: ['browser_navigate', { url: page }, /tab|It works/],
    },
    {
      name: 'chrome-devtools',
      entry: npx('-y chrome-devtools-mcp@latest'),
      call: ['new_page', { url: page }, /data:text/],
    },
    {
      name: 'context7',
      entry: npx(`-y @upstash/context7-mcp --api-key ctx7sk-${uuid}`),
      api: ['context7.com', 'mcp.context7.com'],
      call: ['resolve-library-id', { libraryName: 'react', query: 'hooks' }],
    },
    {
      name: 'filesystem',
      entry: npx(`-y @modelcontextprotocol/server-filesystem ${notes}`),
      call: ['write_file', { path: `${notes}/new.md`, content: 'buy bread' }, /Successfully wrote/],
    },
    {
      name: 'sequential-thinking',
      entry: npx('-y @modelcontextprotocol/server-sequential-thinking'),
      call: [
        'sequentialthinking',
        { thought: 'one', thoughtNumber: 1, totalThoughts: 1, nextThoughtNeeded: false },
        /thoughtHistoryLength/,
      ],
    },
    {
      name: 'supabase',
      entry: npx('-y @supabase/mcp-server-supabase@latest --read-only', {
        SUPABASE_ACCESS_TOKEN: `sbp_${hex(40)}`,
      }),
      api: ['api.supabase.com', 'supabase.com'],
      call: ['list_organizations', {}],
      answers: { '/docs/api/graphql': { data: { schema: 'type Query { a: String }' } }, '/': [] },
    },
    {
      name: 'github',
      entry: npx('-y @modelcontextprotocol/server-github', {
        GITHUB_PERSONAL_ACCESS_TOKEN: `ghp_${word(36)}`,
      }),
      api: ['api.github.com'],
      call: ['search_repositories', { query: 'warder' }],
    },
    {
      name: 'memory',
      entry: npx('-y @modelcontextprotocol/server-memory'),
      call: [
        'create_entities',
        { entities: [{ name: 'Warder', entityType: 'program', observations: ['keeps keys'] }] },
        /keeps keys/,
      ],
    },
    {
      name: 'postgres',
      entry: npx(
        `-y @modelcontextprotocol/server-postgres postgresql://reader:${password}@localhost:${port}/postgres`,
      ),
      call: ['query', { sql: 'select 6 * 7 as answer' }, /42/],
    },
    {
      name: 'everything',
      entry: npx('-y @modelcontextprotocol/server-everything'),
      call: ['echo', { message: 'hello' }, /hello/],
    },
    {
      name: 'notion',
      entry: npx('-y @notionhq/notion-mcp-server', { NOTION_TOKEN: `ntn_${word(46)}` }),
      api: ['api.notion.com'],
      call: ['API-get-self', {}],
    },
    {
      name: 'notion-headers',
      entry: npx('-y @notionhq/notion-mcp-server', {
        OPENAPI_MCP_HEADERS: JSON.stringify({
          Authorization: `Bearer ntn_${word(46)}`,
          'Notion-Version': '2022-06-28',
        }),
      }),
      secrets: [`ntn_${word(46)}`],
      api: ['api.notion.com'],
      call: ['API-get-self', {}],
    },
    {
      name: 'google-maps',
      entry: npx('-y @modelcontextprotocol/server-google-maps', { GOOGLE_MAPS_API_KEY: `AIza${word(35)}` }),
      api: ['maps.googleapis.com'],
      call: ['maps_geocode', { address: 'Berlin' }],
    },
    {
      name: 'circleci',
      entry: npx('-y @circleci/mcp-server-circleci@latest', {
        CIRCLECI_TOKEN: `CCIPAT_${word(22)}_${hex(40)}`,
        CIRCLECI_BASE_URL: 'https://circleci.com',
      }),
      api: ['circleci.com'],
      call: ['list_followed_projects', { params: {} }],
    },
    {
      name: 'stripe',
      entry: npx(`-y @stripe/mcp --api-key=rk_test_${word(32)}`),
      api: ['mcp.stripe.com'],
      answers: { '/': 'mcp' },
      call: ['echo', {}],
    },
    {
      name: 'tavily',
      entry: npx('-y tavily-mcp@latest', { TAVILY_API_KEY: `tvly-dev-${word(32)}` }),
      api: ['api.tavily.com'],
      call: ['tavily_search', { query: 'warder' }],
    },
    {
      name: 'slack',
      entry: npx('-y @modelcontextprotocol/server-slack', {
        SLACK_BOT_TOKEN: `xoxb-012345678901-1234567890123-${word(24)}`,
        SLACK_TEAM_ID: 'T01234567',
      }),
      api: ['slack.com'],
      call: ['slack_list_channels', {}],
    },
    {
      name: 'gitlab',
      entry: npx('-y @zereight/mcp-gitlab', {
        GITLAB_PERSONAL_ACCESS_TOKEN: `glpat-${word(20)}`,
        GITLAB_API_URL: 'https://gitlab.com/api/v4',
      }),
      api: ['gitlab.com'],
      answers: { '/': [] },
      call: ['search_repositories', { search: 'warder' }],
    },
    {
      name: 'firecrawl',
      entry: npx('-y firecrawl-mcp', { FIRECRAWL_API_KEY: `fc-${hex(32)}` }),
      api: ['api.firecrawl.dev'],
      call: ['firecrawl_map', { url: 'https://example.com' }],
    },
    { name: 'desktop-commander', entry: npx('-y @wonderwhy-er/desktop-commander@latest') },
    {
      name: 'sentry',
      entry: npx(`@sentry/mcp-server@latest --access-token=sntryu_${hex(64)}`),
      api: ['sentry.io'],
      call: ['find_organizations', {}],
    },
    {
      name: 'puppeteer',
      entry: npx('-y @modelcontextprotocol/server-puppeteer'),
      call: ['puppeteer_navigate', { url: page }, /Navigated/],
    },
    {
      name: 'figma',
      entry: npx(`-y figma-developer-mcp --figma-api-key=figd_${word(40)} --stdio`),
      api: ['api.figma.com'],
      call: ['get_figma_data', { fileKey: 'abcDEF123456' }],
    },
    {
      name: 'datadog',
      entry: npx('-y @winor30/mcp-server-datadog', { DATADOG_API_KEY: hex(32), DATADOG_APP_KEY: hex(40) }),
      api: ['api.datadoghq.com'],
      answers: { '/': { dashboards: [] } },
      call: ['list_dashboards', {}],
    },
    {
      name: 'hubspot',
      entry: npx('-y @hubspot/mcp-server', { PRIVATE_APP_ACCESS_TOKEN: `pat-na1-${uuid}` }),
      api: ['api.hubspot.com'],
      call: ['hubspot-get-user-details', {}],
    },
    {
      name: 'perplexity',
      entry: npx('-y @perplexity-ai/mcp-server', { PERPLEXITY_API_KEY: `pplx-${word(48)}` }),
      api: ['api.perplexity.ai'],
      call: ['perplexity_search', { query: 'warder' }],
    },
    {
      name: 'apify',
      entry: npx('-y @apify/actors-mcp-server --tools docs,runs', { APIFY_TOKEN: `apify_api_${word(36)}` }),
      api: ['api.apify.com'],
      answers: { '/': { data: { items: [], total: 0, offset: 0, count: 0, limit: 10, desc: false } } },
      call: ['get-actor-run-list', {}],
    },
    {
      name: 'brave-search',
      entry: npx('-y @brave/brave-search-mcp-server --transport stdio', { BRAVE_API_KEY: `BSA${word(28)}` }),
      api: ['api.search.brave.com'],
      call: ['brave_web_search', { query: 'warder' }],
    },
    {
      // It asks for its workspace, and lists users and channels, before it answers.
      name: 'slack-user',
      entry: npx('-y slack-mcp-server@latest --transport stdio', {
        SLACK_MCP_XOXP_TOKEN: `xoxp-012345678901-1234567890123-1234567890123-${hex(32)}`,
      }),
      api: ['slack.com', 'acme.slack.com'],
      answers: {
        '/api/auth.test': {
          ok: true,
          url: 'https://acme.slack.com/',
          team: 'acme',
          user: 'ann',
          team_id: 'T01234567',
          user_id: 'U01234567',
        },
        '/api/users.list': { ok: true, members: [{ id: 'U01234567', name: 'ann' }] },
        '/api/conversations.list': { ok: true, channels: [{ id: 'C01234567', name: 'general' }] },
      },
      call: ['channels_list', { channel_types: 'public_channel' }],
    },
    {
      name: 'jira',
      entry: npx('-y @aashari/mcp-server-atlassian-jira', {
        ATLASSIAN_SITE_NAME: 'acme',
        ATLASSIAN_USER_EMAIL: 'ann@example.com',
        ATLASSIAN_API_TOKEN: `ATATT3xFfGF0${word(180)}`,
      }),
      api: ['acme.atlassian.net'],
      call: ['jira_get', { path: '/rest/api/3/myself' }],
    },
    {
      name: 'exa',
      entry: npx('-y exa-mcp-server', { EXA_API_KEY: uuid }),
      api: ['api.exa.ai'],
      call: ['web_search_exa', { query: 'warder' }],
    },
    {
      name: 'brightdata',
      entry: npx('-y @brightdata/mcp', { API_TOKEN: hex(64) }),
      api: ['api.brightdata.com'],
      call: ['scrape_as_markdown', { url: 'https://example.com' }],
    },
    {
      name: 'monday',
      entry: npx(
        `-y @mondaydotcomorg/monday-api-mcp@latest -t eyJhbGciOiJIUzI1NiJ9.eyJ0aWQiOjEyMzQ1Njc4OTB9.${word(43)}`,
      ),
      api: ['api.monday.com'],
      call: ['get_board_info', { boardId: 1234567890 }],
    },
    {
      name: 'mapbox',
      entry: npx('-y @mapbox/mcp-server', {
        MAPBOX_ACCESS_TOKEN: `pk.eyJ1IjoiYWNtZSIsImEiOiJjbTAwMDAwMDAwIn0.${word(22)}`,
      }),
      api: ['api.mapbox.com'],
      call: ['reverse_geocode_tool', { longitude: 13.4, latitude: 52.5 }],
    },
    {
      name: 'airtable',
      entry: npx('-y airtable-mcp-server', { AIRTABLE_API_KEY: `pat${word(14)}.${hex(64)}` }),
      api: ['api.airtable.com'],
      call: ['list_bases', {}],
    },
    {
      name: 'obsidian',
      entry: npx(`-y @bitbonsai/mcpvault ${notes}`),
      call: ['read_note', { path: 'today.md' }, /buy milk/],
    },
    {
      name: 'mongodb',
      entry: npx('-y mongodb-mcp-server@latest --readOnly', {
        MDB_MCP_CONNECTION_STRING: `mongodb://reader:${password}@localhost:27017/shop`,
      }),
    },
    {
      name: 'kubernetes',
      entry: npx('-y mcp-server-kubernetes'),
    },
  ];
}
