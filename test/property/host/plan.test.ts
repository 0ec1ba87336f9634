// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how hosts write what they fill in
// Whatever a host's entry looks like: no secret of it is in what is shown of its plan, in the words that start it, in its
// variables, or in the profile of a remote server; and what its host fills in is never filled in.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Context } from '../../../src/commands/command.ts';
import { factsOf, showCandidates } from '../../../src/commands/import/show.ts';
import type { FoundFile } from '../../../src/host/find.ts';
import { planServer } from '../../../src/host/plan.ts';
import { remoteProfileText } from '../../../src/host/plan-remote.ts';
import { inputsOf } from '../../../src/host/references.ts';
import type { HostServer } from '../../../src/host/servers.ts';

/** Of a known kind, wherever it stands. */
const known = fc
  .stringMatching(/^[A-Za-z0-9]{36}$/)
  .chain((rest) => fc.constantFrom(`ghp_${rest}`, `sk-${rest}`, `glpat-${rest}`, `xoxb-${rest}`));
/** A secret by the name before it. */
const plain = fc
  .stringMatching(/^[A-Za-z0-9][A-Za-z0-9+/=_.-]{14,30}[A-Za-z0-9]$/)
  .filter((text) => !/^\d+$/.test(text));
const secret = fc.oneof(known, plain);
const odd = fc.string({ unit: 'grapheme', maxLength: 10 }).filter((text) => !text.includes('$'));
const reference = fc.constantFrom(
  '${env:A_TOKEN}',
  '$B_KEY',
  '{env:C}',
  '${input:pw}',
  '${input:dir}',
  '${D:-x}',
  '${workspaceFolder}',
);
const secretName = fc.constantFrom(
  'API_KEY',
  'githubToken',
  'X-Api-Key',
  'DB_PASSWORD',
  'CLIENT_SECRET',
  'auth',
);
const openName = fc.constantFrom('LEVEL', 'REGION', '__proto__', 'constructor', 'toString', 'PATH_X');

interface Piece {
  readonly env?: readonly [string, string];
  readonly args?: readonly string[];
  readonly headers?: readonly [string, string];
  readonly query?: string;
  readonly secret?: string;
}

const piece: fc.Arbitrary<Piece> = fc.oneof(
  fc.tuple(secretName, secret).map(([name, value]) => ({ env: [name, value] as const, secret: value })),
  fc.tuple(openName, known).map(([name, value]) => ({ env: [name, value] as const, secret: value })),
  fc.tuple(openName, odd).map((env) => ({ env })),
  fc.tuple(openName, reference).map((env) => ({ env })),
  fc.tuple(secretName, secret).map(([name, value]) => ({ args: [`--${name}=${value}`], secret: value })),
  fc.tuple(secretName, secret).map(([name, value]) => ({ args: [`--${name}`, value], secret: value })),
  fc
    .tuple(secretName, secret)
    .map(([name, value]) => ({ args: ['--header', `${name}: ${value}`], secret: value })),
  fc
    .tuple(odd, known, odd)
    .map(([before, value, after]) => ({ args: [`${before} ${value} ${after}`], secret: value })),
  known.map((value) => ({ args: [`-p${value}`], secret: value })),
  known.map((value) => ({ args: [`--${value}=1`], secret: value })),
  plain.map((value) => ({
    args: [`postgres://me:${value.replaceAll(/[/@]/g, 'x')}@db/x`],
    secret: value.replaceAll(/[/@]/g, 'x'),
  })),
  fc
    .tuple(
      known,
      fc.constantFrom(
        (value: string) => `https://${value}@h.example.com/x`,
        (value: string) => `https://${value}:x@h.example.com`,
        (value: string) => `https://h.example.com/s/${value}/sse?a=1`,
        (value: string) => `https://h.example.com?api_key=${value}&a=${value}#${value}`,
        (value: string) => `redis://:${value}@${value}.example.com:1/2`,
        (value: string) =>
          `https://me:a?b@h.example.com/?next=${encodeURIComponent(`https://x/?key=${value}`)}`,
      ),
      fc.boolean(),
      openName,
    )
    .map(([value, url, isArgument, name]) => ({
      ...(isArgument ? { args: [url(value)] } : { env: [name, url(value)] as const }),
      secret: value,
    })),
  fc.tuple(odd, reference).map(([word, text]) => ({ args: [word, text] })),
  fc
    .tuple(secretName, secret)
    .map(([name, value]) => ({ headers: [name, `Bearer ${value}`] as const, secret: value })),
  fc.tuple(openName, known).map(([name, value]) => ({ headers: [name, value] as const, secret: value })),
  fc.tuple(openName, odd).map((headers) => ({ headers })),
  fc.tuple(secretName, secret).map(([name, value]) => ({
    query: `${name}=${encodeURIComponent(value)}`,
    secret: value,
  })),
);

const server = fc
  .record({
    name: fc.oneof(odd, known, fc.constantFrom('__proto__', 'x\u001b[2J', 'a\nb')),
    command: fc.constantFrom('npx', 'uvx', 'node', '/usr/bin/x', 'docker', 'bash', 'cmd', ''),
    bridge: fc.boolean(),
    pieces: fc.array(piece, { maxLength: 5 }),
    repeated: fc.boolean(),
  })
  .map(({ name, command, bridge, pieces, repeated }) => {
    // Of what may have been replaced by another of its name nothing is repeated.
    const first = pieces.find((one) => one.args !== undefined && one.secret !== undefined)?.secret;
    const query = pieces.flatMap((one) => one.query ?? []);
    const url = `https://mcp.example.com/mcp${query.length > 0 ? `?${query.join('&')}` : ''}`;
    const args = [
      ...(bridge ? ['-y', 'mcp-remote', url] : ['pkg']),
      ...pieces.flatMap((one) => one.args ?? []),
      ...(repeated && first !== undefined ? [`again ${first}`] : []),
    ];
    const entry: HostServer = {
      name,
      path: ['mcpServers', name],
      kind: command === '' ? 'remote' : 'local',
      command,
      args,
      env: Object.fromEntries(pieces.flatMap((one) => (one.env ? [one.env] : []))),
      url,
      headers: Object.fromEntries(pieces.flatMap((one) => (one.headers ? [one.headers] : []))),
      cwd: undefined,
      enabled: true,
      entry: {},
    };
    const isRemote = command === '';
    const own = pieces.flatMap((one) =>
      one.secret !== undefined &&
      (isRemote ? one.headers || one.query : one.env || one.args || (bridge && one.query))
        ? [one.secret]
        : [],
    );
    // One variable or header may have taken the place of another.
    const text = JSON.stringify([entry.env, entry.args, entry.headers, entry.url]);
    const isThere = (one: string): boolean => text.includes(one) || text.includes(encodeURIComponent(one));
    return { entry, secrets: [...new Set(own)].filter(isThere) };
  });

const inputs = inputsOf({
  inputs: [
    { id: 'pw', type: 'promptString', password: true },
    { id: 'dir', type: 'promptString' },
  ],
});

test('W-HOST-25 W-HOST-40 no secret of an entry is in what is shown of it, or in what is written of it', () => {
  fc.assert(
    fc.property(server, fc.constantFrom('user' as const, 'project' as const), ({ entry, secrets }, scope) => {
      const plan = planServer(entry, { scope, inputs });
      const lines: string[] = [];
      const terminal = { out: (line: string) => lines.push(line), paint: (_: string, text: string) => text };
      const found = {
        id: 'cursor',
        path: '/x/mcp.json',
        host: { title: 'Cursor' },
        file: { scope },
      } as unknown as FoundFile;
      const candidate = { found, server: entry, plan };
      showCandidates({ terminal } as unknown as Context, [candidate], []);
      const written =
        plan.kind === 'profile'
          ? [plan.name, ...plan.words, ...Object.entries(plan.env).flat()]
          : plan.kind === 'remote'
            ? [remoteProfileText(plan, plan.name, plan.auth ?? { type: 'oauth' })]
            : [];
      const text = [...lines, JSON.stringify(factsOf(candidate)), ...written].join('\n');
      for (const one of secrets.flatMap((raw) => [raw, encodeURIComponent(raw)]))
        expect(text).not.toContain(one);
      if (plan.kind === 'left') return;
      expect(scope === 'user' || plan.wanted.length === 0).toBe(true);
      // Each secret is kept, and can be put where the server looks for it.
      const kept = plan.credentials.map(({ value }) => value).join('\n');
      for (const one of secrets)
        expect(kept.includes(one) || kept.includes(encodeURIComponent(one))).toBe(true);
      expect(new Set(plan.credentials.map(({ variable }) => variable)).size).toBe(plan.credentials.length);
    }),
    { numRuns: 1500 },
  );
});
