import { expect, test } from 'vitest';
import { parseSettings } from '../../../src/profile/settings.ts';

const egress = (text: string) => parseSettings(`egress: {${text}}`, 'warder.yaml').egress;

test('the gate has the given settings, and no others', () => {
  expect(parseSettings('', 'warder.yaml').egress).toEqual({
    resolvers: [],
    ca: undefined,
    proxy: undefined,
    login: undefined,
    except: [],
  });
  expect(
    egress(
      'resolvers: ["127.0.0.1:5353", 9.9.9.9, "[::1]:53"], ca: ~/corp.pem, proxy: "http://proxy:3128", login: proxy/login, except: ["*.corp.example", intranet]',
    ),
  ).toEqual({
    resolvers: ['127.0.0.1:5353', '9.9.9.9', '[::1]:53'],
    ca: '~/corp.pem',
    proxy: 'http://proxy:3128',
    login: 'proxy/login',
    except: ['*.corp.example', 'intranet'],
  });
});

test.each([
  ['resolver: []', 'egress.resolver: unknown key; did you mean "resolvers"?'],
  ['resolvers: []', 'egress.resolvers: is empty'],
  ['resolvers: [dns.example.com]', 'egress.resolvers[0]: must be an address'],
  ['resolvers: ["::1"]', 'egress.resolvers[0]: must be an address'],
  ['ca: corp.pem', 'egress.ca: must be an absolute path'],
  ['proxy: "proxy:3128"', 'egress.proxy: must be http://HOST:PORT'],
  ['proxy: "socks5://proxy:1080"', 'egress.proxy: must be http://HOST:PORT'],
  ['except: ["https://a.b"]', 'egress.except[0]: must be a host in lower case'],
  ['except: [A.b]', 'egress.except[0]: must be a host in lower case'],
])('a wrong setting is reported: %s', (text, what) => {
  expect(() => egress(text)).toThrow(
    expect.objectContaining({ code: 'config-invalid', message: expect.stringContaining(what) }),
  );
});

test('a password in the settings is refused, and not repeated', () => {
  const failed = ((): Error => {
    try {
      egress('proxy: "http://me:hunter2@proxy:3128"');
    } catch (error) {
      return error as Error;
    }
    throw new Error('the settings were taken');
  })();
  expect(failed.message).toContain('without a user: "login" names the credential that has it');
  expect(failed.message).not.toContain('hunter2');
});

test.each([
  ['[host, desktop, terminal, pinentry]', undefined],
  ['[]', undefined],
  ['[terminal]', undefined],
  ['[desktop, mail]', 'must be host or terminal or desktop or pinentry, not "mail"'],
  ['[desktop, desktop]', 'names a way twice'],
  ['desktop', 'must be a list'],
])('consent.ways: %s', (ways, problem) => {
  const parse = () => parseSettings(`consent: {ways: ${ways}}`, 'warder.yaml').consent.ways;
  if (problem === undefined) expect(`[${parse().join(', ')}]`).toBe(ways);
  else expect(parse).toThrow(problem);
});

test.each([
  ['browser: [/usr/bin/firefox, --new-window]', undefined],
  ['browser: [firefox]', 'must begin with the absolute path of a program'],
  ['browser: []', 'remote.browser: is empty'],
  ['browser: firefox', 'remote.browser: must be a list'],
  ['browser: [/a, "a\\nb"]', 'must be text on one line'],
  ['client-metadata-url: "https://example.com/warder.json"', undefined],
  ['client-metadata-url: "http://example.com/warder.json"', 'must be an https URL with a path and no query'],
  ['client-metadata-url: "https://example.com"', 'must be an https URL with a path and no query'],
  ['client-metadata-url: "https://u:p@example.com/a"', 'must be an https URL with a path and no query'],
  ['browsr: x', 'did you mean "browser"?'],
])('remote: {%s}', (text, problem) => {
  const parse = () => parseSettings(`remote: {${text}}`, 'warder.yaml').remote;
  if (problem === undefined)
    expect(Object.values(parse()).filter((value) => value !== undefined)).toHaveLength(1);
  else expect(parse).toThrow(problem);
});
