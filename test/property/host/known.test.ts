import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { known, knownHosts, knownReach } from '../../../src/host/known.ts';

const runs = { numRuns: process.env.SLOW === undefined ? 3000 : 200_000 };
vi.setConfig({ testTimeout: process.env.SLOW === undefined ? 60_000 : 1_800_000 });

const rows = [...Object.values(known.npm), ...Object.values(known.pypi)].filter(
  ({ hosts = [], reaches = [] }) => [...hosts, ...reaches].some((entry) => entry.includes('{')),
);

/** Values near a host and near a URL, and any others. */
const value = fc.oneof(
  fc
    .array(
      fc.constantFrom(
        ...[
          'https://',
          'http://',
          'git',
          '.acme',
          '.example',
          ':443',
          ':8443',
          ':80',
          '/',
          '@',
          '*',
          '*.',
          '#',
          '?',
          '..',
        ],
        ...[
          '127.0.0.1',
          '[::1]',
          '169.254.169.254',
          '-',
          ' ',
          '\\',
          '%2e',
          'A',
          '\u0430',
          '\0',
          '{HOST}',
          '$X',
        ],
      ),
      { maxLength: 6 },
    )
    .map((parts) => parts.join('')),
  fc.webUrl(),
  fc.domain(),
  fc.string(),
);

/** The text of an entry around its variables, as the table has it. */
function around(entry: string): RegExp {
  const escaped = entry
    .split(/\{\w+(?::[^}]*)?\}/)
    .map((part) => part.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${escaped.join('[a-z0-9_.-]+')}(?::\\d+)?$`);
}

test('W-HOST-29 whatever a variable holds, it adds one name to an entry of the table, or none', () => {
  fc.assert(
    fc.property(fc.constantFrom(...rows), value, (row, text) => {
      const { hosts = [], reaches = [] } = row;
      const names = [...hosts, ...reaches].flatMap((entry) =>
        [...entry.matchAll(/\{(\w+)/g)].map(([, name]) => name),
      );
      const env = Object.fromEntries(names.map((name) => [name, text]));
      for (const host of knownHosts(row, env)) expect(host).not.toMatch(/:80$/);
      for (const [made, entries] of [
        [knownHosts(row, env), hosts],
        [knownReach(row, env), reaches],
      ] as const) {
        expect(made.length).toBeLessThanOrEqual(entries.length);
        for (const host of made) {
          expect(entries.some((entry) => around(entry).test(host))).toBe(true);
          expect(host.replace(/^\*\./, '')).toMatch(/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?(?::\d+)?$/);
          // A database is on this machine where nothing else is said.
          if (host !== '127.0.0.1:3306') expect(host).not.toMatch(/^[\d.]+(?::\d+)?$/);
        }
      }
    }),
    runs,
  );
});
