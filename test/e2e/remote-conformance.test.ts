// The client scenarios of MCP's conformance suite through `warder run`: the suite starts a host for each, which has a profile
// of its own (test/fixtures/remote/conformance-host.ts). Each scenario of a revision has to be there and to pass, also those
// that the revision does not count.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';

import type { Home } from '../fixtures/home.ts';
import { openConformanceHome } from '../fixtures/remote/conformance-home.ts';

const root = join(import.meta.dirname, '../..');
const suite = join(root, 'node_modules/@modelcontextprotocol/conformance');
const host = join(root, 'test/fixtures/remote/conformance-host.ts');

let home: Home;

beforeAll(async () => {
  home = await openConformanceHome();
});

afterAll(() => home[Symbol.asyncDispose]());

interface Check {
  readonly id: string;
  readonly status: 'SUCCESS' | 'FAILURE' | 'WARNING' | 'INFO' | 'SKIPPED';
  readonly description: string;
  readonly errorMessage?: string;
}

/** What a scenario found, and what its host said on standard error. */
interface Result {
  readonly checks: readonly Check[];
  readonly stderr: string;
}

/** Runs the suite; returns what it found by scenario, and how it ended. */
async function run(
  words: readonly string[],
): Promise<{ code: number; said: string; results: Map<string, Result> }> {
  const folder = mkdtempSync(join(tmpdir(), 'warder-conformance-'));
  const places = join(folder, 'places');
  mkdirSync(places);
  const command = [join(suite, 'dist/index.js'), 'client', ...words];
  const child = spawn(
    process.execPath,
    [...command, '--command', `${process.execPath} ${host}`, '--timeout', '300000', '-o', folder],
    {
      env: { ...process.env, CONFORMANCE_HOME: home.dir, CONFORMANCE_PLACES: places },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  try {
    const [code] = await once(child, 'close');
    const results = new Map<string, Result>();
    for (const path of globSync('**/checks.json', { cwd: folder })) {
      // A scenario's folder is its name and the time.
      const name = path.replace(/-\d{4}-\d\d-\d\dT[^/]*\/checks\.json$/, '');
      const read = (file: string): string => readFileSync(join(folder, path, '..', file), 'utf8');
      results.set(name, { checks: JSON.parse(read('checks.json')), stderr: read('stderr.txt') });
    }
    return { code, said, results };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a scenario has against its host, one a line. */
function complaints({ checks, stderr }: Result): string {
  const bad = checks.filter(({ status }) => status === 'FAILURE' || status === 'WARNING');
  const lines = bad.map(({ id, description, errorMessage = '' }) => `${id}: ${description} ${errorMessage}`);
  if (!checks.some(({ status }) => status === 'SUCCESS')) lines.push('nothing was checked');
  return lines.length === 0 ? '' : [...lines, stderr].join('\n');
}

/** The client scenarios that a revision requires, and those that it only runs. */
function scenariosOf(revision: string): { required: string[]; other: string[] } {
  const { client, not_scored: more } = parse(
    readFileSync(join(suite, `requirements/${revision}.yaml`), 'utf8'),
  );
  const other = more.filter(({ leg }: { leg: string }) => leg === 'client');
  return { required: client, other: other.map(({ scenario }: { scenario: string }) => scenario) };
}

describe.each([
  ['2025-11-25', 18],
  ['2026-07-28', 32],
])('revision %s', (revision, count) => {
  const { required, other } = scenariosOf(revision);
  let found: Awaited<ReturnType<typeof run>>;

  beforeAll(async () => {
    found = await run(['--requirements', revision]);
  }, 600_000);

  test(`its ${count} scenarios are all there, and the suite says that they pass`, () => {
    expect(required).toHaveLength(count);
    expect([...found.results.keys()].sort()).toEqual([...required, ...other].sort());
    expect(found.code, found.said.slice(-4000)).toBe(0);
  });

  test.each(required)('%s', (scenario) => {
    expect(complaints(found.results.get(scenario) ?? { checks: [], stderr: '' })).toBe('');
  });

  test.each(other)('%s, which is not counted', (scenario) => {
    expect(complaints(found.results.get(scenario) ?? { checks: [], stderr: '' })).toBe('');
  });
});

describe('servers of revision 2025-03-26, without metadata of the resource', () => {
  const scenarios = ['auth/2025-03-26-oauth-metadata-backcompat', 'auth/2025-03-26-oauth-endpoint-fallback'];
  let found: Awaited<ReturnType<typeof run>>;

  beforeAll(async () => {
    found = await run(['--suite', 'backcompat']);
  }, 300_000);

  test.each(scenarios)('%s', (scenario) => {
    expect(complaints(found.results.get(scenario) ?? { checks: [], stderr: '' })).toBe('');
  });
});
