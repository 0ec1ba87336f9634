// Which URLs are used, shown and opened.
import { expect, test } from 'vitest';
import { readUrl, urlProblem } from '../../../../src/remote/oauth/secure-url.ts';

const strict = { insecureLoopback: false };
const loose = { insecureLoopback: true };

test.each([
  'https://auth.example.com',
  'https://auth.example.com:8443/authorize?tenant=a%20b&x=1',
  'https://AUTH.example.com/',
  'https://xn--mnchen-3ya.example/',
  'https://xn--strae-oqa.example/',
  // Chinese, Cyrillic and Japanese names of one script.
  'https://xn--fiqs8s.example/',
  'https://xn--b1agh1afp.example/',
  'https://[2001:db8::1]/token',
])('%s may be used', (url) => {
  expect(urlProblem(url, strict)).toBeUndefined();
});

test.each([
  ['http://auth.example.com/', 'no https'],
  ['javascript:alert(1)', 'a script'],
  ['data:text/html,x', 'a document'],
  ['file:///etc/passwd', 'a file'],
  ['ftp://auth.example.com/', 'another scheme'],
  ['HTTPS://auth.example.com/', 'a scheme that is spelled oddly'],
  ['https:auth.example.com', 'no slashes'],
  ['https:\\\\auth.example.com', 'backslashes'],
  ['https://auth.example.com\\@evil.example/', 'a backslash that browsers take for a slash'],
  ['https://user@auth.example.com/', 'a user'],
  ['https://user:secret@auth.example.com/', 'a user and password'],
  ['https://@auth.example.com/', 'an empty user'],
  ['https://auth.example.com/#x', 'a fragment'],
  ['https://auth.example.com/#', 'an empty fragment'],
  ['https://auth.example.com/a b', 'a space'],
  ['https://auth.example.com/a\nb', 'a line break'],
  ['https://auth.example.com/\u0000', 'a control character'],
  ['https://auth.example.com/\u202egnp', 'an override of direction'],
  ['https://аuth.example.com/', 'a Cyrillic letter'],
  ['https://auth.example.com./', 'the dot of the root'],
  ['https://', 'no host'],
  ['https://auth.example.com:99999/', 'no port'],
  ['https://a"b.example/', 'a quote'],
  [`https://auth.example.com/${'a'.repeat(5000)}`, 'too much'],
  // "аррӏе" in Cyrillic letters; "gіthub" with one; "ɡoogle" with a Latin look-alike.
  ['https://xn--80ak6aa92e.com/', 'Cyrillic letters that look Latin'],
  ['https://xn--gthub-n2e.com/', 'a label of two scripts'],
  ['https://xn--gthub-n4a.com/', 'an i without its dot'],
  ['https://xn--oogle-qmc.com/', 'a Latin letter that looks like another'],
  ['https://xn--a.example/', 'no name at all'],
  ['https://%61uth.example.com/', 'an encoded host'],
  ['https://0x7f.1/', 'an address in another notation'],
  ['https://2130706433/', 'an address as one number'],
  ['http://localhost:3000/', 'loopback without leave'],
])('W-AUTH-4 %s is refused: %s', (url) => {
  expect(urlProblem(url, strict)).toBeTypeOf('string');
  expect(() => readUrl(url, 'page', strict)).toThrow(expect.objectContaining({ code: 'server-metadata' }));
});

test.each(['http://localhost:3000/', 'http://127.0.0.1/', 'http://[::1]:9/'])(
  'W-AUTH-4 %s may be used where the profile allows it',
  (url) => {
    expect(urlProblem(url, strict)).toMatch(/insecure-loopback/);
    expect(urlProblem(url, loose)).toBeUndefined();
  },
);

test.each([
  'http://127.0.0.2/',
  'http://localhost.example.com/',
  'http://10.0.0.1/',
  'http://127.0.0.1.nip.io/',
  'http://0.0.0.0/',
])('W-AUTH-4 %s is no loopback', (url) => {
  expect(urlProblem(url, loose)).toBeTypeOf('string');
});

test('what is no text is missing', () => {
  for (const value of [undefined, null, 1, {}, ['https://auth.example.com']]) {
    expect(urlProblem(value, loose)).toBe('it is missing');
  }
});
