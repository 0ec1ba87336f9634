// The keys and values of a profile file as a zod schema. The JSON Schema for editors is generated from it. Checks that
// involve several keys are in cross-checks.ts.
import * as z from 'zod';
import { CREDENTIAL_NAME, CREDENTIAL_NAME_RULE } from '../wire/hello.ts';
import { auth, fieldName } from './auth-schema.ts';
import { source } from './credential.ts';
import { describeEnum } from './schema-errors.ts';
import { signing } from './signing-schema.ts';
import { DURATION_PATTERN, SIZE_PATTERN } from './units.ts';
import { VARIABLE_PATTERN } from './variable.ts';

const printable = z.string().regex(/^\P{Cc}+$/u, 'must be text on one line, without control characters');
const text = z
  .union([z.string(), z.number(), z.boolean()], { error: 'must be text' })
  .transform((value) => String(value));
const path = printable.regex(
  /^([/~]$|\/|~\/|[A-Za-z]:[\\/])/,
  'must be an absolute path, or begin with "~/"',
);
const duration = z.string().regex(DURATION_PATTERN, 'must be a duration such as 30s, 15m or 12h');
const size = z.string().regex(SIZE_PATTERN, 'must be a size such as 512MiB');
const positiveInteger = z.int().min(1);

const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
const NAME = `(${LABEL}(\\.${LABEL})*|\\*\\.${LABEL}(\\.${LABEL})+)`;
const PORT = '(:[1-9][0-9]{0,4})?';
const hasValidPort = (entry: string): boolean => Number(/[^:]:([0-9]+)$/.exec(entry)?.[1] ?? 0) <= 65535;
const host = z
  .string()
  .max(260)
  .regex(
    new RegExp(`^${NAME}${PORT}$`),
    'must be a host in lower case, such as api.github.com or *.example.com:8443',
  )
  .refine(hasValidPort, 'has a port above 65535');
const networkEntry = z
  .string()
  .max(260)
  .regex(
    new RegExp(`^(${NAME}${PORT}|\\[[0-9a-f:.]+\\]${PORT}|[0-9a-f:.]+/[0-9]{1,3})$`),
    'must be a host, host:port or an address range such as 10.1.0.0/16',
  )
  .refine((entry) => entry.includes('/') || hasValidPort(entry), 'has a port above 65535');

/** What is wrong with an entry of `sandbox.network`, in lower case and without the root's dot; undefined if nothing is. */
export function networkEntryProblem(entry: string): string | undefined {
  if (/^\*\.[^.:/]*(?::\d+)?$/.test(entry)) return 'is a wildcard for all of a top-level domain';
  return networkEntry.safeParse(entry).error?.issues[0]?.message;
}

const decision = z.enum(['allow', 'ask', 'deny']);
const DECISIONS: readonly string[] = decision.options;

const server = z
  .strictObject({
    package: printable
      .regex(
        /^(npm:(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*(@[^\s@]+)?|pypi:[A-Za-z0-9._-]+(\[[A-Za-z0-9._,-]*\])?([=<>!~][^\s@]+)?|mcpb:[a-z0-9][a-z0-9._-]*@[^\s@]+)$/,
        'must be npm:name@version, npm:@scope/name@version, pypi:name==version or mcpb:name@version',
      )
      .optional()
      .describe(
        'A pinned server package: npm:@scope/name@version, pypi:name==version, or mcpb:name@version of a bundle',
      ),
    bin: printable.optional().describe("Which of the package's programs, if it has several"),
    command: printable.optional().describe('The program: a name on the PATH, or a path'),
    url: z.string().max(2048).optional().describe('A remote server, https'),
    headers: z
      .record(
        fieldName,
        text.pipe(
          z
            .string()
            .max(1024)
            .regex(/^[\x20-\x7e]*$/, 'must be printable ASCII'),
        ),
      )
      .optional()
      .describe('Headers of each request to a remote server: literals, never secrets'),
    args: z
      .array(text)
      .optional()
      .describe(
        `The arguments, one per item; no shell reads them; \${credential:NAME} stands for a credential`,
      ),
    cwd: path.optional().describe("The server's working folder"),
    start: z
      .enum(['lazy', 'eager', 'warm'], { error: 'must be lazy, eager or warm' })
      .optional()
      .describe(
        'lazy (the default): the server starts at the first request that needs it, once it is known what it offers; warm: as lazy, but its process is kept ready in its sandbox; eager: when the host starts it',
      ),
    idle: duration
      .optional()
      .describe(
        'How long the server may be without a call before it is ended; the next call starts it again. By default it stays',
      ),
  })
  .meta({ oneOf: [{ required: ['package'] }, { required: ['command'] }, { required: ['url'] }] });

const place = z.enum(['bearer', 'basic', 'header', 'query', 'path', 'body', 'any']);
const requestPath = printable.regex(/^\//, 'must begin with "/"');
const requestMethods = z
  .array(z.string().regex(/^[A-Z]{1,20}$/, 'must be a method in upper case, such as GET'))
  .min(1);

const credential = z.strictObject({
  from: source
    .optional()
    .describe('Where the value comes from; by default the store chosen with "warder init"'),
  name: printable
    .regex(CREDENTIAL_NAME, `must be ${CREDENTIAL_NAME_RULE}`)
    .max(200)
    .optional()
    .describe('Its name in the store; by default <profile>/<VARIABLE>'),
  deliver: z
    .enum(['sealed', 'env', 'file', 'arg'])
    .optional()
    .describe(
      'sealed: the secret stays in the daemon; env, file, arg: the server gets it, arg where other programs can read it',
    ),
  hosts: z.array(host).min(1).optional().describe('Where a sealed credential may be used'),
  as: place
    .optional()
    .describe('The place in a request where a sealed credential may be used; by default a header'),
  paths: z
    .array(requestPath)
    .min(1)
    .optional()
    .describe('Paths of requests that may carry it: /repos/acme/**'),
  methods: requestMethods.optional(),
  confirm: z
    .boolean()
    .optional()
    .describe('A person confirms each use, for one request, the session, a time or always'),
  lifetime: duration.optional().describe('How long after the session began it may be used'),
  'max-uses': positiveInteger.optional().describe('How many requests of a session may carry it'),
  issues: z
    .strictObject({
      path: requestPath
        .optional()
        .describe('The path of the requests whose answers have tokens; by default any'),
      members: z
        .array(printable.max(64))
        .min(1)
        .optional()
        .describe('Names of members that are tokens, beside access_token, token and the like'),
      as: place.optional(),
      paths: z.array(requestPath).min(1).optional(),
      methods: requestMethods.optional(),
    })
    .optional()
    .describe('Tokens that a host gives out for it, and how they may be used; by default as it may itself'),
  unsearched: z
    .boolean()
    .optional()
    .describe('Files of its hosts pass that cannot be searched for the secret: encrypted zips, xz, bzip2'),
  sign: signing.optional().describe('It signs, and is never sent: aws-sigv4, hmac, jwt, github-app'),
});

const sandbox = z.strictObject({
  off: z.boolean().optional().describe('true: no sandbox at all'),
  read: z.array(path).optional().describe('Files and folders that the server may read'),
  write: z.array(path).optional().describe('Folders that the server may change'),
  network: z
    .array(networkEntry)
    .optional()
    .describe(
      'Hosts that the server may reach: host, host:port; address ranges that these names may resolve to',
    ),
  'may-plant': z
    .array(printable)
    .min(1)
    .optional()
    .describe(
      'Protected names that the server may write below its writable folders: .git/hooks, .vscode, ...',
    ),
  home: z
    .union([z.literal('kept'), z.strictObject({ kept: z.boolean().optional(), size: size.optional() })], {
      error: 'must be kept, or {kept: true, size: 2GiB}',
    })
    .optional()
    .describe("The server's own home: kept from session to session, or empty at each start; its size"),
  'unix-sockets': z
    .boolean()
    .optional()
    .describe(
      'true: Unix sockets also beside listed folders, where it could reach those of other programs; false: none',
    ),
  memory: z
    .union([size, z.strictObject({ most: size, 'best-effort': z.boolean().optional() })], {
      error: (issue) =>
        typeof issue.input === 'object'
          ? 'must be a size such as 512MiB, or {most: 512MiB, best-effort: true}'
          : 'must be a size such as 512MiB',
    })
    .optional()
    .describe('The memory of all its processes together; best-effort: also where only each can be limited'),
  processes: positiveInteger.optional(),
});

const rule = z.union(
  [
    decision,
    z.strictObject({
      allow: z.record(z.string(), z.unknown()),
      else: z.enum(['ask', 'deny'], {
        error: ({ input }) =>
          input === undefined ? undefined : 'must be ask or deny: "allow" would allow every call',
      }),
    }),
  ],
  {
    error: (issue) =>
      typeof issue.input === 'string'
        ? describeEnum(issue.input, DECISIONS)
        : 'must be allow, ask, deny, or {allow: a JSON Schema, else: ask}',
  },
);

const plainRule = z.enum(['allow', 'ask', 'deny'], {
  error: (issue) =>
    typeof issue.input === 'string' ? describeEnum(issue.input, DECISIONS) : 'must be allow, ask or deny',
});
const rules = z.record(printable.max(256), plainRule).optional();

const policy = z.strictObject({
  default: decision.optional().describe('For requests that match no pattern; by default ask'),
  tools: z
    .record(printable.max(256), rule)
    .optional()
    .describe('Decisions by name pattern; deny wins over ask, ask over allow'),
  resources: rules.describe('Reading, subscribing and completing, by pattern of the URI'),
  prompts: rules.describe('Getting and completing, by pattern of the name'),
  methods: rules.describe(
    'All other requests, by pattern of the method; deny and ask apply to every request',
  ),
  sampling: plainRule.optional().describe('What the server asks of the model of the host; by default allow'),
  elicitation: plainRule.optional().describe('What the server asks of the user; by default allow'),
  roots: plainRule.optional().describe("Whether the server learns the host's folders; by default allow"),
});

const variable = z
  .string()
  .regex(VARIABLE_PATTERN, 'must be letters, digits and "_", and not begin with a digit');

/** A profile file. To read one use `parseProfile`; this export is for the JSON Schema. */
export const profileFile = z.strictObject({
  description: printable.max(300).optional().describe('What this server is for'),
  server,
  auth: auth.optional().describe('How a remote server is signed in to; by default oauth'),
  'allow-private': z
    .array(z.string().max(64))
    .min(1)
    .optional()
    .describe('Ranges of private addresses that a remote server and its sign-in may be at: 10.0.0.0/8'),
  'insecure-loopback': z
    .boolean()
    .optional()
    .describe('true: a remote server and its sign-in may be on this machine, and without TLS there'),
  env: z
    .record(variable, text)
    .optional()
    .describe(
      `Literal variables of the server; never secrets; \${credential:NAME} stands for a sealed credential`,
    ),
  credentials: z
    .record(variable, credential)
    .optional()
    .describe('Credentials by the variable that the server reads'),
  sandbox: sandbox.optional(),
  policy: policy.optional(),
  audit: z
    .strictObject({
      arguments: z.enum(['redacted', 'digest']).optional().describe("How a call's arguments are recorded"),
      results: z.enum(['digest']).optional(),
      durability: z
        .enum(['write', 'fsync'])
        .optional()
        .describe('fsync: each record is on disk before its message goes on'),
    })
    .optional(),
});

/** A file that the schema accepted, without defaults. */
export type ProfileFile = z.output<typeof profileFile>;
