import { describe, expect, test } from 'vitest';
import { npmErrorCode, npmWords } from '../../../../src/package/npm/output.ts';
import { secretValues } from '../../../../src/package/output.ts';

const output = (...lines: string[]): string => lines.map((line) => `npm error ${line}`).join('\n');

describe("npm's words", () => {
  test('the sentences of an error are shown, without its code, paths, usage and log', () => {
    const text = output(
      'code EUSAGE',
      '',
      '`npm ci` can only install packages when your package.json and package-lock.json are in sync.',
      'Missing: gone@ from lock file',
      'Usage:',
      'npm ci',
      'A complete log of this run can be found in: /home/u/.npm/_logs/x.log',
    );
    expect(npmErrorCode(text)).toBe('EUSAGE');
    expect(npmWords(text, [])).toBe(
      '`npm ci` can only install packages when your package.json and package-lock.json are in sync.; Missing: gone@ from lock file',
    );
  });

  test('the prefix of older versions is known, and other output is left out', () => {
    const text =
      'npm http fetch GET 200\nnpm ERR! code E404\nnpm ERR! 404 Not Found - GET http://r/x\nadded 1';
    expect(npmErrorCode(text)).toBe('E404');
    expect(npmWords(text, [])).toBe('404 Not Found - GET http://r/x');
    expect(npmWords('added 1 package', [])).toBe('');
  });

  test.each([
    ['//user:hunter2hunter2@registry.example/x'],
    ['Authorization: Bearer hunter2hunter2'],
    ['//registry.example/:_authToken=hunter2hunter2'],
    ['"password": "hunter2hunter2"'],
    ['GET http://registry.example/x?token-or-so=hunter2hunter2'],
    ['npm_hunter2hunter2hunter2'],
    [`x ${'hunter2'.repeat(8)} y`],
    ['the value is hunter2hunter2 as it stands'],
  ])('W-PKG-8 no secret is in them: %s', (line) => {
    const secrets = line.includes('as it stands') ? ['hunter2hunter2'] : [];
    expect(npmWords(output(line), secrets)).not.toContain('hunter2');
  });

  test('W-PKG-8 no control character is in them, and their length is limited', () => {
    const words = npmWords(
      output('\u001b]0;title\u0007red \u001b[31mtext\u001b[0m\r\u202eend\u0085', 'x '.repeat(900)),
      [],
    );
    expect(words).toMatch(/^red text end; x/);
    expect(words).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(words.length).toBeLessThan(500);
  });

  test('secrets are found in the environment and in the settings', () => {
    const env = { NPM_TOKEN: 'from-environment', PATH: '/usr/bin', MY_KEY: 'ab' };
    const npmrc = 'registry=http://r/\n//r/:_authToken="from-settings"\n//r/:_password=c2VjcmV0\n';
    expect(secretValues(env, npmrc)).toEqual(['from-environment', 'from-settings', 'c2VjcmV0']);
  });
});
