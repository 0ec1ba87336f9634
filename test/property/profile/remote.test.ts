// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that these are refused is what is tested
// Profiles of remote servers: whatever a URL is made of, one that is accepted is read in one way only.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import { formatProfile } from '../../../src/profile/draft.ts';
import { parseProfile } from '../../../src/profile/format.ts';
import { urlProblem } from '../../../src/profile/remote-checks.ts';

const piece = fc.constantFrom(
  ...[
    'https://',
    'http://',
    'HTTPS://',
    'mcp.example.com',
    '127.0.0.1',
    '0x7f.1',
    '[::1]',
    'localhost',
    '10.0.0.1',
  ],
  ...[
    '@',
    ':',
    ':443',
    ':8443',
    ':0',
    '/',
    '//',
    '\\',
    '/mcp',
    '/..',
    '/%2e%2e',
    '?',
    '?a=b',
    '#',
    '#x',
    '.',
    '${A}',
  ],
  ...[
    'ä',
    '\u200b',
    '\u3002',
    '\t',
    '\n',
    ' ',
    'xn--',
    '%',
    '%00',
    '%2f',
    'user',
    'a',
    '1',
    '&token=x',
    '|',
    '^',
  ],
);
const url = fc.oneof(
  fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
  fc.array(piece, { maxLength: 6 }).map((pieces) => `https://mcp.example.com${pieces.join('')}`),
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
  fc.string(),
);

describe('the URL of a remote server', () => {
  test('W-REM-60 is accepted only if it is one that every reader takes for the same place', () => {
    fc.assert(
      fc.property(url, fc.boolean(), (text, isLoopbackOpen) => {
        fc.pre(urlProblem(text, isLoopbackOpen) === undefined);
        const read = new URL(text);
        expect([text, `${text}/`]).toContain(read.href);
        expect(read.username + read.password + read.hash).toBe('');
        expect(text).toMatch(/^[\x21-\x7e]+$/);
        const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(read.hostname);
        expect(read.protocol === 'https:' || (isHere && isLoopbackOpen)).toBe(true);
        expect(isHere && !isLoopbackOpen).toBe(false);
        if (!isHere) expect(read.hostname).toMatch(/^[a-z0-9._-]+$/);
      }),
    );
  });

  test('W-REM-61 a profile with any URL reads or is refused, and what reads is written as it is', () => {
    fc.assert(
      fc.property(url, (text) => {
        const source = JSON.stringify({ server: { url: text } });
        let profile: ReturnType<typeof parseProfile>;
        try {
          profile = parseProfile(source, 'f', 'notes');
        } catch (error) {
          expect(error).toBeInstanceOf(WarderError);
          return;
        }
        expect(profile.server).toMatchObject({ kind: 'url', url: text });
        expect(parseProfile(formatProfile(profile), 'f', 'notes')).toEqual(profile);
      }),
    );
  });
});
