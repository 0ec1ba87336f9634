// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that these are refused is what is tested
import { describe, expect, test } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import { formatProfile } from '../../../src/profile/draft.ts';
import { parseProfile } from '../../../src/profile/format.ts';

const parse = (text: string) => parseProfile(text, '/config/profiles/notes.yaml', 'notes');

/** The error of a text that is not a valid profile. */
function refusal(text: string): WarderError {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof WarderError) return error;
    throw error;
  }
  throw new Error(`the profile was taken: ${text}`);
}

const remote = (rest: string): string => `server: {url: "https://mcp.example.com/mcp"}\n${rest}`;
const withUrl = (url: string): string => `server: {url: ${JSON.stringify(url)}}`;
const withHeaders = (headers: string): string =>
  `server: {url: "https://mcp.example.com/mcp", headers: {${headers}}}`;
const withAuth = (auth: string): string => remote(`auth: {${auth}}`);

/** Made here, so that no scanner takes them for real ones. */
const TOKEN = `ghp_${'a1B2'.repeat(9)}`;
const KEY = `sk-${'a1B2'.repeat(9)}`;
const LONG = 'aB3'.repeat(12);

describe('a remote server', () => {
  test.each([
    'https://mcp.example.com',
    'https://mcp.example.com/',
    'https://mcp.example.com/mcp?workspace=7',
    'https://mcp.example.com:8443/a/b%20c',
    'https://xn--mnchen-3ya.example/mcp',
    'https://intranet/mcp',
  ])('may be at %s, and that is the URL', (url) => {
    expect(parse(withUrl(url)).server).toMatchObject({ kind: 'url', url });
  });

  test.each([
    'http://127.0.0.1:8000/mcp',
    'http://localhost/mcp',
    'http://[::1]:9/mcp',
    'https://localhost/mcp',
  ])('W-REM-63 %s needs "insecure-loopback"', (url) => {
    const { server } = parse(`${withUrl(url)}\ninsecure-loopback: true`);
    expect(server).toMatchObject({ url, insecureLoopback: true });
    for (const rest of ['', 'insecure-loopback: false', 'allow-private: [127.0.0.0/8]']) {
      const { message, hint } = refusal(`${withUrl(url)}\n${rest}`);
      expect(message + String(hint)).toContain('is on this machine');
    }
  });

  test('W-REM-63 a server elsewhere gets no way to the programs of this machine', () => {
    const text = `${withUrl('https://mcp.example.com/mcp')}\ninsecure-loopback: true`;
    const { message, hint } = refusal(text);
    expect(message + String(hint)).toContain('is for a server on this machine');
    const named = `${text}\nauth: {type: oauth, issuer: "http://127.0.0.1:8080"}`;
    expect(parse(named).server).toMatchObject({ insecureLoopback: true });
    expect(refusal(`${text}\nauth: {type: oauth, issuer: "https://id.example.com"}`).message).toContain(
      'is for a server on this machine',
    );
  });

  test.each([
    ['nonsense', 'must be a URL'],
    ['', 'must be a URL'],
    ['//mcp.example.com/mcp', 'must be a URL'],
    ['http://mcp.example.com/mcp', 'must begin with https://'],
    ['ftp://mcp.example.com/mcp', 'must begin with https://'],
    ['javascript:alert(1)', 'must begin with https://'],
    ['data:text/html,x', 'must begin with https://'],
    ['file:///etc/passwd', 'must begin with https://'],
    ['HTTPS://mcp.example.com/mcp', 'must begin with https://'],
    ['https:/mcp.example.com/mcp', 'must begin with https://'],
    ['https:mcp.example.com', 'must begin with https://'],
    ['https://user@mcp.example.com/mcp', 'must not contain a user or password'],
    ['https://user:pass@mcp.example.com/mcp', 'must not contain a user or password'],
    ['https://@mcp.example.com/mcp', 'must not contain a user or password'],
    ['https://mcp.example.com@evil.example/mcp', 'must not contain a user or password'],
    ['https://mcp.example.com/mcp#x', 'must not have a fragment'],
    ['https://mcp.example.com/mcp#', 'must not have a fragment'],
    ['https://93.184.216.34/mcp', 'has an address for a host'],
    ['https://[2606:2800:21f::1]/mcp', 'has an address for a host'],
    ['https://10.0.0.1/mcp', 'has an address for a host'],
    ['https://169.254.169.254/latest', 'has an address for a host'],
    ['https://0x7f.1/mcp', 'is not written in its plain form'],
    ['https://2130706433/mcp', 'is not written in its plain form'],
    ['https://127.1/mcp', 'is not written in its plain form'],
    ['https://0177.0.0.1/mcp', 'is not written in its plain form'],
    ['https://[::ffff:127.0.0.1]/mcp', 'is not written in its plain form'],
    ['https://[0:0:0:0:0:0:0:1]/mcp', 'is not written in its plain form'],
    ['https://[::ffff:7f00:1]/mcp', 'has an address for a host'],
    ['https://Mcp.Example.com/mcp', 'is not written in its plain form, https://mcp.example.com/mcp'],
    ['https://mcp.example.com:443/mcp', 'is not written in its plain form, https://mcp.example.com/mcp'],
    ['https://mcp.example.com:/mcp', 'is not written in its plain form'],
    ['https://mcp.example.com:0443/mcp', 'is not written in its plain form'],
    ['https://mcp%2eexample.com/mcp', 'is not written in its plain form'],
    ['https://mcp.example.com/a/../mcp', 'is not written in its plain form'],
    ['https://mcp.example.com/./mcp', 'is not written in its plain form'],
    ['https://mcp.example.com/%2e%2e/mcp', 'is not written in its plain form'],
    ['https://mcp.example.com\\@evil.example/mcp', 'must not contain a user or password'],
    ['https://mcp.example.com\\mcp', 'is not written in its plain form'],
    ['https://mcp.example.com./mcp', 'has a dot at the end of its host'],
    ['https://mcp.example.com&token=x/mcp', 'has a host that is no name'],
    ['https://-mcp.example.com/mcp', 'has a host that is no name'],
    ['https://mcp..example.com/mcp', 'has a host that is no name'],
    ['https://mcp.example.com:0/mcp', 'has port 0'],
    ['https://mcp.example.com:22/mcp', 'has the port of SSH'],
    ['https://mcp.example.com:5432/mcp', 'has the port of PostgreSQL'],
    ['https://mcp.example.com:70000/mcp', 'must be a URL'],
    ['https://münchen.example/mcp', 'has characters that are not ASCII'],
    ['https://mcp.exаmple.com/mcp', 'has characters that are not ASCII'],
    ['https://mcp.example.com/ä', 'has characters that are not ASCII'],
    [' https://mcp.example.com/mcp', 'has characters that are not ASCII, or spaces'],
    ['https://mcp.example.com/mcp\n', 'has characters that are not ASCII, or spaces'],
    ['https://mcp.example.com/\tmcp', 'has characters that are not ASCII, or spaces'],
    ['https://mcp.example.com/a b', 'has characters that are not ASCII, or spaces'],
    [`https://mcp.example.com/${'a'.repeat(2048)}`, 'is longer than 2048 characters'],
  ])('W-REM-60 is not at %j', (url, message) => {
    expect(refusal(withUrl(url)).message).toContain(`server.url: ${message}`);
  });

  test.each([
    ['https://mcp.example.com/${HOME}', 'server.url'],
    ['https://${HOST}/mcp', 'server.url'],
    ['https://mcp.example.com/mcp?q=${AWS_SECRET_ACCESS_KEY}', 'server.url'],
  ])('W-REM-62 expands nothing in %s', (url, key) => {
    expect(refusal(withUrl(url)).message).toContain(`${key}: contains "\${"`);
  });

  test.each([
    [withHeaders('X-Env: "${GITHUB_TOKEN}"'), 'server.headers.X-Env: contains "${"'],
    [withAuth('type: oauth, client-id: "${ID}"'), 'auth.client-id: contains "${"'],
    [withAuth('type: oauth, issuer: "https://${HOST}"'), 'auth.issuer: contains "${"'],
    [withAuth('type: header, header: X-Key, prefix: "${A} "'), 'auth.prefix: contains "${"'],
    [
      withAuth('type: oauth, client-secret: "${SECRET}"'),
      'auth.client-secret: must be the name of a credential',
    ],
    [withAuth('type: bearer, credential: "${SECRET}"'), 'auth.credential: must be the name of a credential'],
    [withAuth('type: oauth, token-url: "https://evil.example/t"'), 'auth.token-url: unknown key'],
    [withAuth('type: oauth, tokenUrl: "https://evil.example/t"'), 'auth.tokenUrl: unknown key'],
    [withAuth('type: oauth, token_endpoint: x'), 'auth.token_endpoint: unknown key'],
    [remote('tokenUrl: x'), 'tokenUrl: unknown key'],
  ])('W-REM-62 expands and sends nothing elsewhere: %s', (text, message) => {
    expect(refusal(text).message).toContain(message);
  });

  test.each([
    [withUrl(`https://mcp.example.com/mcp?t=${TOKEN}`), 'contains what looks like a GitHub token'],
    [withUrl(`https://mcp.example.com/${KEY}/mcp`), 'contains what looks like an API key'],
    [withUrl(`https://mcp.example.com/mcp?api_key=${LONG}`), 'has a secret in its query ("api_key")'],
    [withUrl(`https://mcp.example.com/mcp?apiKey=${LONG}`), 'has a secret in its query ("apiKey")'],
    [withUrl(`https://mcp.example.com/mcp?a=b&exaApiKey=${LONG}`), 'has a secret in its query ("exaApiKey")'],
    [withUrl(`https://mcp.example.com/mcp?access_token=${LONG}`), 'has a secret in its query'],
    [withUrl(`https://mcp.example.com/mcp?%74oken=${LONG}`), 'has a secret in its query ("token")'],
    [withUrl(`https://mcp.example.com/mcp?user_password=${LONG}`), 'has a secret in its query'],
    [withHeaders(`X-Region: ${TOKEN}`), 'has a value that looks like a GitHub token'],
    [withHeaders(`Authorization: "Bearer ${LONG}"`), 'is a header for a secret'],
    [withHeaders(`X-API-Key: ${LONG}`), 'is a header for a secret'],
    [withHeaders(`x-auth-token: ${LONG}`), 'is a header for a secret'],
    [withAuth(`type: bearer, credential: ${TOKEN}`), 'looks like a secret itself'],
    [withAuth(`type: header, header: X-Key, credential: ${LONG}`), 'looks like a secret itself'],
    [withAuth(`type: oauth, client-id: a, client-secret: GOCSPX-${LONG}`), 'looks like a secret itself'],
    [
      withAuth(`type: oauth, client-id: a, client-secret: {credential: ${LONG}}`),
      'looks like a secret itself',
    ],
    [withAuth(`type: client-credentials, client-id: a, private-key: ${LONG}`), 'looks like a secret itself'],
    [withAuth(`type: jwt-bearer, assertion: ${LONG}`), 'looks like a secret itself'],
    [
      withAuth(
        `type: enterprise, client-id: a, identity: {issuer: "https://i.d", client-id: b, id-token: ${LONG}}`,
      ),
      'auth.identity.id-token: looks like a secret itself',
    ],
    [withAuth(`type: oauth, client-id: ${TOKEN}`), 'auth.client-id: looks like a GitHub token'],
  ])('W-REM-61 holds no secret: %#', (text, message) => {
    const { message: said, hint } = refusal(text);
    expect(said).toContain(message);
    for (const secret of [TOKEN, KEY, LONG]) expect(said + String(hint)).not.toContain(secret);
  });

  test.each([
    'github/token',
    'my-team-notion-2026-token',
    'github-enterprise-client',
    'a/B3aB3aB3aB3aB3aB3aB3aB3',
  ])('%s is taken for the name of a credential', (name) => {
    expect(parse(withAuth(`type: bearer, credential: ${name}`)).credentials).toMatchObject([{ name }]);
  });

  test.each([
    'Host',
    'cookie',
    'Content-Length',
    'content-type',
    'Accept',
    'Connection',
    'Transfer-Encoding',
    'Origin',
    'Last-Event-ID',
    'Mcp-Session-Id',
    'MCP-Protocol-Version',
    'Mcp-Param-Region',
    'Proxy-Authorization',
    'Sec-Fetch-Site',
    'DPoP',
  ])('W-REM-64 cannot set %s', (name) => {
    expect(refusal(withHeaders(`${name}: x`)).message).toContain('is set by Warder itself');
    expect(refusal(withAuth(`type: header, header: ${name}`)).message).toContain('is set by Warder itself');
  });

  test.each([
    [withHeaders('X-A: 1, x-a: 2'), 'is given twice'],
    [withHeaders('"X A": 1'), 'must be the name of a header'],
    [withHeaders('"X-A\\r\\nB": 1'), 'must be the name of a header'],
    [withHeaders('X-A: "a\\r\\nHost: b"'), 'must be printable ASCII'],
    [withHeaders('X-A: ä'), 'must be printable ASCII'],
    [withHeaders('X-A: [b]'), 'must be text'],
  ])('refuses the headers of %s', (text, message) => {
    expect(refusal(text).message).toContain(message);
  });

  test('keeps how a number in a header is written', () => {
    expect(parse(withHeaders('X-A: 8080, X-B: true')).server).toMatchObject({
      headers: { 'X-A': '8080', 'X-B': 'true' },
    });
  });

  test.each([
    ['10.0.0.1', 'is an address: write "10.0.0.1/32"'],
    ['fd00::1', 'is an address: write "fd00::1/128"'],
    ['db.internal', 'must be an address range'],
    ['10.0.0.0/8:443', 'must be an address range'],
    ['10.0.0.0/33', 'must be an address range'],
    ['10.0.0.1/8', 'has bits set after the first 8'],
    ['0.0.0.0/0', 'is wider than /8'],
    ['8.8.8.8/32', 'is no private range'],
    ['172.0.0.0/8', 'is no private range'],
    ['2001:db8::/32', 'is no private range'],
  ])('W-REM-63 "allow-private" does not take %s', (entry, message) => {
    expect(refusal(remote(`allow-private: ["${entry}"]`)).message).toContain(`allow-private[0]: ${message}`);
  });

  test('"allow-private" takes private ranges and the exact metadata address', () => {
    const ranges = ['10.0.0.0/8', '172.20.0.0/16', '192.168.1.7/32', '169.254.169.254/32', 'fd00:1::/32'];
    expect(
      parse(remote(`allow-private: [${ranges.map((range) => `"${range}"`).join()}]`)).server,
    ).toMatchObject({
      allowPrivate: ranges,
    });
    expect(refusal(remote('allow-private: []')).message).toContain('is empty');
  });

  test.each([
    ['env: {A: b}', 'env: has no meaning for a remote server', 'server.headers'],
    ['credentials: {T: {hosts: [a.b]}}', 'credentials: has no meaning for a remote server', 'auth'],
    ['sandbox: {off: true}', 'sandbox: has no meaning for a remote server', 'allow-private'],
    ['sandbox: {network: [a.b]}', 'sandbox: has no meaning for a remote server', 'allow-private'],
  ])('has no %s', (rest, message, hint) => {
    const error = refusal(remote(rest));
    expect(error.message).toContain(message);
    expect(error.message + String(error.hint)).toContain(hint);
    expect(error.message).not.toContain('\n');
  });

  test.each([
    ['server: {url: "https://a.b", args: [a]}', 'server.args: has no meaning for a remote server'],
    ['server: {url: "https://a.b", cwd: ~/x}', 'server.cwd: has no meaning for a remote server'],
    ['server: {command: node, headers: {X-A: b}}', 'server.headers: needs "url"'],
    ['server: {command: node}\nauth: {type: none}', 'auth: is for a remote server'],
    ['server: {command: node}\nallow-private: [10.0.0.0/8]', 'allow-private: is for a remote server'],
    ['server: {command: node}\ninsecure-loopback: true', 'insecure-loopback: is for a remote server'],
  ])('is not mixed with a local one: %s', (text, message) => {
    expect(refusal(text).message).toContain(message);
  });
});

describe('auth', () => {
  test.each([
    ['type: beaerer', 'auth.type: must be oauth or none or bearer', 'did you mean "bearer"?'],
    ['type: oauth2', 'auth.type: must be', 'did you mean "oauth"?'],
    ['type: 7', 'auth.type: must be oauth', ''],
    ['scopes: [a]', 'needs "type": oauth, none, bearer, header', ''],
    ['type: none, scopes: [a]', 'auth.scopes: unknown key', ''],
    ['type: bearer, header: X-A', 'auth.header: unknown key', ''],
    ['type: header', 'auth.header: is missing', ''],
    ['type: header, header: "X A"', 'auth.header: must be the name of a header', ''],
    ['type: header, header: X-A, prefix: "a\\r\\nb"', 'auth.prefix: must be printable ASCII', ''],
    ['type: oauth, scope: [a]', 'auth.scope: unknown key', 'did you mean "scopes"?'],
    ['type: oauth, scopes: a', 'auth.scopes: must be a list', ''],
    ['type: oauth, scopes: [read write]', 'auth.scopes[0]: must be one scope, without spaces', ''],
    ["type: oauth, scopes: ['a\"b']", 'auth.scopes[0]: must be one scope', ''],
    ['type: oauth, client-secret: a/b', 'auth.client-secret: needs "client-id"', ''],
    ['type: oauth, client-secret: {name: a}', 'auth.client-secret', ''],
    [
      'type: oauth, client-id: a, client-metadata-url: "https://a.b/c"',
      'has no effect beside "client-id"',
      '',
    ],
    ['type: oauth, client-metadata-url: "https://a.b"', 'must be an https URL with a path', ''],
    ['type: oauth, client-metadata-url: "https://a.b/c?d"', 'must be an https URL with a path', ''],
    ['type: oauth, client-metadata-url: "http://a.b/c"', 'must begin with https://', ''],
    ['type: oauth, issuer: "https://u:p@a.b"', 'auth.issuer: must not contain a user', ''],
    ['type: oauth, issuer: "https://127.0.0.1"', 'auth.issuer: is on this machine', ''],
    ['type: oauth, callback-port: 80', 'auth.callback-port: must be at least 1024', ''],
    ['type: oauth, callback-port: 65536', 'auth.callback-port: must be at most 65535', ''],
    ['type: oauth, flow: device, callback-port: 8123', 'has no effect with "flow: device"', ''],
    ['type: oauth, flow: implicit', 'auth.flow: must be code or device', ''],
    ['type: client-credentials, client-secret: a/b', 'auth.client-id: is missing', ''],
    ['type: client-credentials, client-id: a', 'needs one of "client-secret" and "private-key"', ''],
    ['type: client-credentials, client-id: a, client-secret: b, private-key: c', 'needs one of', ''],
    [
      'type: client-credentials, client-id: a, client-secret: b, key-id: c',
      'auth.key-id: needs "private-key"',
      '',
    ],
    [
      'type: client-credentials, client-id: a, private-key: b, algorithm: none',
      'auth.algorithm: must be',
      '',
    ],
    [
      'type: client-credentials, client-id: a, private-key: b, algorithm: HS256',
      'auth.algorithm: must be',
      '',
    ],
    ['type: enterprise, client-id: a', 'auth.identity: is missing', ''],
    [
      'type: enterprise, client-id: a, identity: {issuer: "http://i.d", client-id: b}',
      'auth.identity.issuer: must',
      '',
    ],
    ['type: token-exchange', 'auth.assertion: is missing', ''],
    ['type: token-exchange, assertion: a, subject-type: password', 'auth.subject-type: must be', ''],
    ['type: jwt-bearer, assertion: a, audience: b', 'auth.audience: unknown key', ''],
    ['type: bearer, credential: "../x"', 'auth.credential: must be the name of a credential', ''],
    ['type: bearer, from: {comand: [a]}', 'auth.from', ''],
  ])('refuses {%s}', (auth, message, hint) => {
    const error = refusal(withAuth(auth));
    expect(error.message).toContain(message);
    expect(error.message).toContain(hint);
  });

  test.each([
    ['type: oauth', { type: 'oauth', flow: 'code' }, []],
    ['type: oauth, scopes: []', { scopes: [] }, []],
    [
      'type: oauth, client-id: 12, client-secret: {credential: a/b, from: vault}, scopes: ["a:b", c], callback-port: 8123, issuer: "https://i.d/x"',
      { clientId: '12', scopes: ['a:b', 'c'], callbackPort: 8123, issuer: 'https://i.d/x' },
      [['client-secret', 'a/b', 'vault']],
    ],
    ['type: oauth, client-metadata-url: "https://a.b/c.json", flow: device', { flow: 'device' }, []],
    ['type: none', { type: 'none' }, []],
    ['type: bearer', { type: 'bearer' }, [['token', 'notes/token', 'store']]],
    ['type: bearer, credential: a/b, from: keychain', { type: 'bearer' }, [['token', 'a/b', 'keychain']]],
    [
      'type: header, header: Authorization, prefix: "Token "',
      { header: 'Authorization', prefix: 'Token ' },
      [['token', 'notes/token', 'store']],
    ],
    [
      'type: client-credentials, client-id: a, client-secret: b',
      { clientId: 'a', privateKey: undefined },
      [['client-secret', 'b', 'store']],
    ],
    [
      'type: client-credentials, client-id: a, private-key: b/c, key-id: 1, algorithm: ES256',
      { privateKey: { keyId: '1', algorithm: 'ES256' } },
      [['private-key', 'b/c', 'store']],
    ],
    [
      'type: enterprise, client-id: a, client-secret: b, identity: {issuer: "https://i.d", client-id: c, client-secret: d, scopes: [openid], id-token: e}',
      { type: 'enterprise', identity: { issuer: 'https://i.d', clientId: 'c', scopes: ['openid'] } },
      [
        ['client-secret', 'b', 'store'],
        ['identity-client-secret', 'd', 'store'],
        ['id-token', 'e', 'store'],
      ],
    ],
    [
      'type: token-exchange, assertion: {credential: a, from: {command: [b, c], ttl: 5m}}, subject-type: id_token, audience: d',
      { subjectType: 'urn:ietf:params:oauth:token-type:id_token', audience: 'd' },
      [['assertion', 'a', { command: ['b', 'c'], ttl: 300_000 }]],
    ],
    [
      'type: jwt-bearer, assertion: a, client-id: b',
      { type: 'jwt-bearer', clientId: 'b' },
      [['assertion', 'a', 'store']],
    ],
  ])('reads {%s}, and writes it again', (auth, expected, credentials) => {
    const profile = parse(withAuth(auth));
    expect(profile.server).toMatchObject({ auth: expected });
    expect(profile.credentials.map(({ variable, name, from }) => [variable, name, from])).toEqual(
      credentials,
    );
    expect(profile.credentials.every(({ deliver }) => deliver === 'sealed')).toBe(true);
    expect(parse(formatProfile(profile))).toEqual(profile);
  });

  test('a stored token is for the host of the URL', () => {
    const profile = parse('server: {url: "https://mcp.example.com:8443/mcp"}\nauth: {type: bearer}');
    expect(profile.credentials).toMatchObject([{ hosts: ['mcp.example.com:8443'] }]);
  });
});
