import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import { isLoaderVariable } from '../../../src/profile/variable.ts';
import { environment } from '../../../src/server/environment.ts';

const runs = { numRuns: process.env.SLOW === undefined ? 2000 : 100_000 };
vi.setConfig({ testTimeout: process.env.SLOW === undefined ? 60_000 : 1_800_000 });

const MACHINE = { nodeDir: '/opt/node/bin', home: '/home/ada', user: 'ada', lang: 'C.UTF-8', tz: 'UTC' };
const OWN = { marker: '0123', tmpdir: '/run/w/tmp', credentials: '/dev/shm/w/0123' };
const FIXED = ['PATH', 'HOME', 'USER', 'LANG', 'TZ', 'TMPDIR', 'WARDER_SESSION'];

/** Names of every kind: of a loader in any case, with any end where a prefix counts, of the base, and of nobody. */
const name = fc.oneof(
  fc.constantFrom(...FIXED, 'CREDENTIALS_DIRECTORY', 'TOKEN', 'TOKEN_FILE', 'KEY', 'SSL_CERT_FILE'),
  fc.constantFrom(
    'NODE_OPTIONS',
    'node_options',
    'PythonPath',
    'BASH_ENV',
    'ENV',
    'GIT_SSH_COMMAND',
    'GIT_PAGER',
  ),
  fc
    .tuple(
      fc.constantFrom('LD_', 'DYLD_', 'ld_', 'PERL5', 'BASH_FUNC_', 'GIT_CONFIG', 'LUA_INIT'),
      fc.string({ unit: fc.constantFrom('A', 'b', '_', '5'), maxLength: 4 }),
    )
    .map((parts) => parts.join('')),
  fc.string({ unit: fc.constantFrom('A', 'B', '_'), minLength: 1, maxLength: 2 }),
);
const text = fc.string({ maxLength: 5 });
const credential = fc.record({
  variable: name,
  deliver: fc.constantFrom('env', 'file', 'arg'),
  value: text,
});

test('W-ENV-1 W-ENV-2 W-ENV-3 an environment has what was asked for, each name by one, and no loader; or there is none', () => {
  fc.assert(
    fc.property(
      fc.dictionary(name, text, { maxKeys: 4 }),
      fc.array(credential, { maxLength: 4 }),
      fc.dictionary(fc.constantFrom('SSL_CERT_FILE', 'SEALED', 'TOKEN'), text, { maxKeys: 2 }),
      (literals, credentials, gate) => {
        let made: Record<string, string>;
        try {
          made = environment('github', MACHINE, OWN, literals, credentials, gate);
        } catch (error) {
          expect(error).toBeInstanceOf(WarderError);
          for (const { value } of credentials)
            if (value.length > 3) expect((error as WarderError).message).not.toContain(value);
          return;
        }
        const files = credentials.filter(({ deliver }) => deliver === 'file');
        const expected = {
          ...{
            PATH: made.PATH,
            HOME: '/home/ada',
            USER: 'ada',
            LANG: 'C.UTF-8',
            TZ: 'UTC',
            TMPDIR: OWN.tmpdir,
          },
          ...literals,
          ...gate,
          WARDER_SESSION: OWN.marker,
          ...(files.length > 0 && { CREDENTIALS_DIRECTORY: OWN.credentials }),
          ...Object.fromEntries(files.map(({ variable: of }) => [`${of}_FILE`, `${OWN.credentials}/${of}`])),
          ...Object.fromEntries(
            credentials
              .filter(({ deliver }) => deliver === 'env')
              .map(({ variable: of, value }) => [of, value]),
          ),
        };
        expect(made).toEqual(expected);
        // Had a name been given twice, one of the two would be missing from the values.
        const given = credentials.filter(({ deliver }) => deliver === 'env').map(({ variable: of }) => of);
        expect(new Set(given).size).toBe(given.length);
        for (const of of given) {
          expect(FIXED).not.toContain(of);
          expect(Object.keys({ ...literals, ...gate })).not.toContain(of);
        }
        for (const of of Object.keys(made)) expect(isLoaderVariable(of)).toBe(false);
      },
    ),
    runs,
  );
});
