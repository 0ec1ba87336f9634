// Whatever a profile lists: the plan contains no secret place, and allows writing only to what is listed for writing.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { WarderError } from '../../../../src/errors.ts';
import type { ListedPath, PlanInputs } from '../../../../src/sandbox/plan/inputs.ts';
import { within } from '../../../../src/sandbox/plan/path.ts';
import { destinationOf, makePlan, type Plan, type Step } from '../../../../src/sandbox/plan/plan.ts';
import { secretPlaces } from '../../../../src/sandbox/plan/secret-places.ts';

const numRuns = process.env.SLOW ? 20_000 : 500;
const home = '/home/me';
const warder = [`${home}/.config/warder`, `${home}/.local/state/warder`];
const known = secretPlaces([home, '/root'], warder);
const IN_HOME = [
  '',
  '/src',
  '/src/deep/er',
  '/.config',
  '/.config/warder',
  '/.config/gh',
  '/.ssh',
  '/.local',
  '/.local/state',
  '/.local/share/keyrings',
  '/.claude/plugins/x',
  '/notes',
].map((folder) => `${home}${folder}`);
const ELSEWHERE = [
  '/',
  '/data',
  '/data/keys',
  '/data/keys/inner',
  '/etc',
  '/etc/ssl',
  '/tmp',
  '/usr/local',
  '/home',
  '/root',
  '/root/.ssh',
  '/run/user/1000',
  '/srv/x',
];

const path = fc.constantFrom(...IN_HOME, ...ELSEWHERE);
const listed: fc.Arbitrary<ListedPath> = fc
  .record({ path, write: fc.boolean(), implied: fc.boolean() })
  .map((one) => ({ ...one, write: one.write && !one.implied, requested: one.path, folder: true }));

function make(lines: readonly ListedPath[], there: readonly number[]): Plan | undefined {
  const hidden = there.map((at) => known[at % known.length]).filter((one) => one !== undefined);
  const inputs: PlanInputs = {
    profile: 'p',
    uid: 1000,
    gid: 1000,
    user: 'me',
    home,
    program: { file: '/usr/bin/node', path: '/usr/bin/node', args: [] },
    unread: undefined,
    unlisted: [],
    cwd: undefined,
    env: {},
    listed: lines,
    roots: [{ path: `${home}/.local/state/warder/packages/x`, folder: true }],
    files: [],
    links: [],
    system: [{ path: '/usr', kind: 'folder' }],
    hiddenProc: [],
    secrets: known,
    hidden: [
      ...hidden.map((one) => ({ ...one, folder: true })),
      { path: '/data/keys', kind: 'never', folder: true },
    ],
    homes: [home, '/root'],
    unixSockets: undefined,
    foreignSocket: undefined,
    network: [],
    memory: undefined,
    memoryBestEffort: false,
    keptHome: undefined,
    homeSize: undefined,
    processes: undefined,
    mayPlant: [],
    guarded: [],
    machine: { memory: 1e10 },
    devices: undefined,
  };
  try {
    return makePlan(inputs);
  } catch (error) {
    if (error instanceof WarderError && error.code === 'profile-invalid') return undefined;
    throw error;
  }
}

/** The step that decides what is at a path: the last one that changed the path or a folder above it. */
function seen({ steps }: Plan, wanted: string): Step | undefined {
  return steps
    .filter(
      (step) =>
        step.kind !== 'remount-read-only' && step.kind !== 'link' && within(wanted, destinationOf(step)),
    )
    .at(-1);
}

/** All folders above a path. */
function above(place: string): string[] {
  const names = place.split('/').slice(1, -1);
  return ['/', ...names.map((_, at) => `/${names.slice(0, at + 1).join('/')}`)];
}

const line = (place: string, write: boolean, implied: boolean): ListedPath => ({
  path: place,
  requested: place,
  folder: true,
  write,
  implied,
});

test('W-BOX-3 of all pairs of a listed folder and a secret place, none is let in but the place that is listed itself', () => {
  const places = known.map(({ path }) => path);
  const folders = new Set([
    ...places.flatMap((place) => [place, `${place}/inner`, ...above(place)]),
    ...IN_HOME,
    ...ELSEWHERE,
  ]);
  let allowed = 0;
  for (const folder of folders) {
    for (const [write, implied] of [
      [false, false],
      [true, false],
      [false, true],
    ] as const) {
      const made = make([line(folder, write, implied)], []);
      if (made === undefined) continue;
      allowed++;
      for (const { path: place, kind } of known) {
        const open = seen(made, `${place}/inner`)?.kind === 'bind';
        const named = kind === 'when-listed' && within(folder, place);
        // A place that does not exist is as much out of reach as one that does.
        if (open && !named && !place.startsWith('/proc')) throw new Error(`${folder} opens ${place}`);
      }
    }
  }
  expect(allowed).toBeGreaterThan(places.length);
});

test('W-BOX-3 what a program keeps in a home is in no sandbox whose profile does not name it, whatever its name', () => {
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,12}$/);
  const kept = fc.oneof(
    name.map((program) => `${home}/.${program}`),
    fc
      .tuple(fc.constantFrom('.config', '.local/share', '.local/state', '.cache', '.var/app', 'snap'), name)
      .map(([folder, program]) => `${home}/${folder}/${program}`),
  );
  fc.assert(
    fc.property(kept, fc.boolean(), (place, write) => {
      for (const folder of above(place)) {
        // Folders of the system contain no home; those above the home are refused.
        const made = make([line(folder, write, false)], []);
        expect([folder, made === undefined ? undefined : seen(made, place)?.kind]).not.toEqual([
          folder,
          'bind',
        ]);
      }
    }),
    { numRuns },
  );
});

test('W-BOX-2 no plan contains a place that no sandbox may contain', () => {
  fc.assert(
    fc.property(fc.array(listed, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 20 }), (lines, there) => {
      const made = make(lines, there);
      if (made === undefined) return;
      const places = [...there.map((at) => known[at % known.length]), { path: '/data/keys', kind: 'never' }];
      for (const place of places) {
        if (place?.kind !== 'never') continue;
        expect([place.path, seen(made, `${place.path}/inner`)?.kind]).not.toEqual([place.path, 'bind']);
      }
    }),
    { numRuns },
  );
});

test('W-BOX-5 no plan allows writing to a path that no line lists for writing', () => {
  fc.assert(
    fc.property(fc.array(listed, { maxLength: 6 }), path, (lines, wanted) => {
      const made = make(lines, []);
      if (made === undefined) return;
      const step = seen(made, wanted);
      if (step?.kind !== 'bind' || !step.write) return;
      expect(lines.some((line) => line.write && within(wanted, line.path))).toBe(true);
    }),
    { numRuns },
  );
});
