// Measures a decision: what the policy says of a call, what was answered before, and whether the server is still what was
// accepted. The parts are those of a session, with a profile of 200 rules (conditions on arguments among them), 1,000
// grants and a record of 100 tools.
import { join } from 'node:path';
import { build } from 'esbuild';
import { duration, quantile } from '../figures.js';
import { target } from '../table.js';

export const name = 'decision';
export const title = 'Decision';

const source = (path) => join(import.meta.dirname, '../../../src', path);

/** Loads the parts as the daemon does: bundled for the oldest Node that runs Warder. */
async function load() {
  const exports = {
    'policy/decide.ts': 'decide',
    'policy/condition.ts': 'CallArguments, requireConditions',
    'consent/store/grants.ts': 'GrantBook',
    'consent/trust/session-trust.ts': 'SessionTrust',
    'consent/trust/record.ts': 'emptyDescribed',
    'json/digest.ts': 'digestOf',
  };
  const contents = Object.entries(exports).map(
    ([path, names]) => `export { ${names} } from ${JSON.stringify(source(path))};`,
  );
  const { outputFiles } = await build({
    stdin: { contents: contents.join('\n'), resolveDir: import.meta.dirname, loader: 'ts' },
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node22.22',
    format: 'esm',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire('file:///');" },
  });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}

const RULES = 200;
const GRANTS = 1000;
const TOOLS = 100;

export const about = `A decision with ${RULES} rules, of which one with a condition on the arguments decides here, ${GRANTS.toLocaleString('en')} grants, 100 of them for
the same tool with other arguments, and a record of ${TOOLS} tools. In the process, without the log.`;

/** Names, patterns and conditions, of which a call meets three: it is asked about. */
function policy() {
  const schema = {
    type: 'object',
    required: ['owner', 'repo'],
    properties: {
      owner: { enum: ['acme', 'initech'] },
      repo: { type: 'string', pattern: '^[a-z0-9-]{1,40}$' },
      labels: { type: 'array', maxItems: 10, items: { type: 'string' } },
    },
  };
  const tools = { create_issue: { allow: schema, else: 'ask' }, 'create_*': { allow: schema, else: 'ask' } };
  for (let i = Object.keys(tools).length; i < RULES; i++) {
    const name = `tool_${i}`;
    if (i % 4 === 0) tools[name] = { allow: schema, else: 'ask' };
    else tools[i % 3 === 0 ? `${name}_*` : name] = ['allow', 'ask', 'deny'][i % 3];
  }
  return { default: 'ask', tools, resources: {}, prompts: {}, methods: {} };
}

/** Milliseconds of a decision at p50 and p99, by what is decided on. */
export async function measure(bench) {
  const count = bench.samples(50_000);
  const { decide, CallArguments, requireConditions, GrantBook, SessionTrust, emptyDescribed, digestOf } =
    await load();
  const rules = policy();
  await requireConditions(rules, 'bench');

  const described = emptyDescribed();
  for (let i = 0; i < TOOLS; i++)
    described.tools.set(`tool_${i}`, { digest: `sha256:${i}`, text: undefined });
  described.tools.set('create_issue', { digest: 'sha256:issue', text: undefined });
  const server = { files: [{ path: '/usr/bin/server', digest: 'sha256:0' }] };
  const permissions = {
    sandbox: 'on',
    runs: [],
    env: [],
    read: [],
    write: [],
    network: [],
    credentials: [],
    other: [],
  };
  const record = { accepted: '', by: 'terminal', server, permissions, described };
  const trust = new SessionTrust(server, {
    trust: {
      profile: 'bench',
      fault: undefined,
      record,
      generation: 1,
      digest: 'sha256:r',
      onChange: () => () => {},
    },
    permissions,
    isHostKnown: () => true,
    ask: () => {},
    record: () => {},
  });

  const subject = {
    ...{ session: 's', host: '/usr/bin/host', profile: 'bench', server: 'sha256:r', kind: 'tools' },
    ...{ name: 'create_issue', definition: 'sha256:issue' },
  };
  const grant = (i) => ({
    ...{ id: String(i), made: '', by: 'terminal', decision: i % 5 === 0 ? 'deny' : 'allow' },
    ...{
      host: subject.host,
      profile: subject.profile,
      server: subject.server,
      kind: 'tools',
      name: `tool_${i}`,
    },
  });
  const grants = new GrantBook(Array.from({ length: GRANTS - 101 }, (_, i) => grant(i)));
  // A hundred for the same tool with other arguments, and the one that decides.
  for (let i = 0; i < 100; i++)
    grants.add({ ...grant(`x${i}`), ...subject, decision: 'allow', arguments: `sha256:${i}` });

  const calls = Array.from({ length: 64 }, (_, i) =>
    Buffer.from(
      JSON.stringify({
        owner: 'umbrella',
        repo: `repo-${i}`,
        title: 'A title',
        body: 'x'.repeat(200),
        labels: ['bug'],
      }),
    ),
  );
  const digestAt = (bytes) => digestOf(bytes, { start: 0, end: bytes.length });
  grants.add({ ...grant('last'), ...subject, decision: 'allow' });

  const byPolicy = (bytes) =>
    decide(rules, {
      ...{ kind: 'tools', name: 'create_issue', method: 'tools/call' },
      arguments: new CallArguments(() => bytes.toString()),
    });
  const whole = (bytes) => {
    const verdict = byPolicy(bytes);
    const held = trust.blocked ?? trust.firstUse ?? trust.held('tools', 'create_issue');
    const found = grants.find({ ...subject, arguments: digestAt(bytes) }, 0);
    if (verdict.decision !== 'ask' || held !== undefined || found?.id !== 'last')
      throw new Error(`the decision is another: ${verdict.decision}, ${held}, ${found?.id}`);
  };
  const take = (work) => {
    const taken = [];
    for (let i = 0; i < count + 2000; i++) {
      const bytes = calls[i % calls.length];
      const from = performance.now();
      work(bytes);
      // What the compiler takes at first is left out.
      if (i >= 2000) taken.push(performance.now() - from);
    }
    return { p50: quantile(taken, 0.5), p99: quantile(taken, 0.99) };
  };
  return { policy: take(byPolicy), whole: take(whole) };
}

export function targets({ whole }) {
  return [target('a decision, p50', whole.p50, 0.05, duration)];
}

export function rows({ policy: alone, whole }) {
  return [
    ['what is decided on', 'p50', 'p99'],
    ['the policy', duration(alone.p50), duration(alone.p99)],
    [
      'policy, the digest of the arguments, grants, and what was accepted of the server',
      duration(whole.p50),
      duration(whole.p99),
    ],
  ];
}

export const plots = () => [];
