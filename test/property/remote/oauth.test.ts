// Everything that a hostile server may say: mutations of what a good one says, from the whole space of each member.
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import {
  type AuthorizationAttempt,
  readAuthorizationResponse,
} from '../../../src/remote/oauth/authorization.ts';
import { findAuthorizationServer } from '../../../src/remote/oauth/authorization-server.ts';
import { parseChallenge } from '../../../src/remote/oauth/challenge.ts';
import { chooseRegistration, registrationFits } from '../../../src/remote/oauth/registration.ts';
import { findResource, isResourceOf } from '../../../src/remote/oauth/resource-metadata.ts';
import { urlProblem } from '../../../src/remote/oauth/secure-url.ts';
import { foreignHosts, ownerOf, recordServer } from '../../../src/remote/oauth/server-record.ts';
import { checkAccessToken } from '../../../src/remote/oauth/token-check.ts';
import {
  clientOf,
  REDIRECT,
  RESOURCE,
  scripted,
  serverMetadata,
  serverOf,
  unsignedJwt,
} from '../../fixtures/remote/oauth.ts';

const runs = { numRuns: process.env.SLOW ? 20_000 : 400 };
vi.setConfig({ testTimeout: process.env.SLOW ? 600_000 : 60_000 });

const ISSUER = 'https://auth.example.com/tenant';
const PLACE = 'https://auth.example.com/.well-known/oauth-authorization-server/tenant';

/** Texts near a URL: one of its characters changed, cut, doubled, encoded, in the other case, or something around it. */
const near = (url: string): fc.Arbitrary<string> =>
  fc.oneof(
    fc
      .tuple(fc.nat(url.length), fc.string({ maxLength: 3, unit: 'binary' }), fc.nat(2))
      .map(([at, put, cut]) => url.slice(0, at) + put + url.slice(at + cut)),
    fc
      .nat(url.length - 1)
      .map((at) => url.slice(0, at) + encodeURIComponent(`\u00e9${url[at]}`) + url.slice(at + 1)),
    fc
      .nat(url.length - 1)
      .map((at) => `${url.slice(0, at)}%${url.charCodeAt(at).toString(16)}${url.slice(at + 1)}`),
    fc.constantFrom(
      `${url}/`,
      `${url}?`,
      `${url}#`,
      `${url}.`,
      ` ${url}`,
      `${url} `,
      url.toUpperCase(),
      url.replace('https', 'http'),
      url.replace('https://', 'https:'),
      url.replace('https://', 'https:\\\\'),
      url.replace('.com', '.com:443'),
      url.replace('.com', '.com.'),
      url.replace('://', '://user@'),
      url.replace('.com', '.com@evil.example'),
      url.replace('.com', '.com.evil.example'),
      url.replace('.com', '.com/..'),
      url.replace('example', 'ex\u0430mple'),
      url.replace('.com', '.com%2fevil.example'),
      url.replace('.com', '.com\\evil'),
      'javascript:alert(1)',
      'data:,x',
      'file:///x',
    ),
    fc.webUrl(),
    fc.string(),
  );

const value = (url: string): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 4, arbitrary: near(url) }, fc.jsonValue());

async function outcome<Value>(run: () => Promise<Value> | Value): Promise<Value | WarderError> {
  try {
    return await run();
  } catch (error) {
    // Never anything else than an error of Warder's, whatever was said.
    if (!(error instanceof WarderError)) throw error;
    expect(error.hint).toBeTypeOf('string');
    return error;
  }
}

test('W-AUTH-3 no metadata is taken whose issuer is another by one byte', async () => {
  await fc.assert(
    fc.asyncProperty(value(ISSUER), async (issuer) => {
      fc.pre(issuer !== ISSUER);
      const parts = scripted({ [PLACE]: serverMetadata(ISSUER, { issuer }) });
      expect(await outcome(() => findAuthorizationServer(parts, ISSUER))).toBeInstanceOf(WarderError);
    }),
    runs,
  );
});

const ENDPOINTS = {
  authorization_endpoint: 'authorizationEndpoint',
  token_endpoint: 'tokenEndpoint',
  registration_endpoint: 'registrationEndpoint',
  revocation_endpoint: 'revocationEndpoint',
  device_authorization_endpoint: 'deviceAuthorizationEndpoint',
  jwks_uri: 'jwksUri',
} as const;

test("W-AUTH-4 W-AUTH-6 what is taken is https, byte for byte, and on the issuer's domain or found to be foreign", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...(Object.keys(ENDPOINTS) as (keyof typeof ENDPOINTS)[])),
      value('https://auth.example.com/tenant/x'),
      async (name, said) => {
        const parts = scripted({ [PLACE]: serverMetadata(ISSUER, { [name]: said }) });
        const server = await outcome(() => findAuthorizationServer(parts, ISSUER));
        if (server instanceof WarderError) return;
        const url = server[ENDPOINTS[name]];
        if (url === undefined) {
          expect(said).toBeNull();
          return;
        }
        expect(url).toBe(said);
        const { protocol, username, password, hash, host } = new URL(url);
        expect([protocol, username, password, hash]).toEqual(['https:', '', '', '']);
        expect(url).toMatch(/^https:\/\/[\x21-\x7e]+$/);
        // A plain reader of RFC 3986 sees the same host as the parser that browsers use.
        expect(/^https:\/\/([^/?#]*)/.exec(url)?.[1]?.toLowerCase().replace(/:443$/, '')).toBe(host);
        const isOwn = ownerOf(host) === 'example.com';
        expect(foreignHosts(recordServer(server, 'dynamic')).length === 0).toBe(isOwn);
      },
    ),
    runs,
  );
});

test('W-AUTH-2 no resource is taken that is on another origin or not above the server', async () => {
  const server = new URL('https://mcp.example.com/team/mcp');
  await fc.assert(
    fc.asyncProperty(value('https://mcp.example.com/team'), async (resource) => {
      const parts = scripted({
        'https://mcp.example.com/.well-known/oauth-protected-resource/team/mcp': {
          resource,
          authorization_servers: ['https://auth.example.com'],
        },
      });
      const found = await outcome(() => findResource(parts, server));
      if (found instanceof WarderError) return;
      expect(found?.resource).toBe(resource);
      const url = new URL(String(resource));
      expect(url.origin).toBe(server.origin);
      expect(['/', '/team', '/team/', '/team/mcp', '/team/mcp/']).toContain(url.pathname);
      expect([url.search, url.hash, url.username]).toEqual(['', '', '']);
    }),
    runs,
  );
});

test('a resource that is the server is so for every server below it', () => {
  const segment = fc.stringMatching(/^[a-z0-9]{1,8}$/);
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 4 }), fc.array(segment, { maxLength: 4 }), (above, below) => {
      const at = (segments: readonly string[]) => ['https://mcp.example.com', ...segments].join('/');
      const server = new URL(at([...above, ...below]));
      expect(isResourceOf(at(above), server, { insecureLoopback: false })).toBe(true);
      if (below.length > 0) {
        expect(isResourceOf(server.href, new URL(at(above)), { insecureLoopback: false })).toBe(false);
      }
    }),
    runs,
  );
});

const attempt: AuthorizationAttempt = {
  issuer: ISSUER,
  issInResponse: true,
  clientId: 'client-1',
  redirectUri: REDIRECT,
  resource: RESOURCE,
  scopes: undefined,
  state: 'c3RhdGUtb2YtdGhpcy1hdHRlbXB0',
  codeVerifier: 'v',
  nonce: undefined,
  startedAt: 0,
};

test('W-AUTH-11 a response gives a code only with the place, the issuer and the state of its attempt', async () => {
  const text = fc.string({ maxLength: 12 });
  const parameter = fc.oneof(
    fc.tuple(fc.constant('iss'), fc.oneof(fc.constant(ISSUER), near(ISSUER))),
    fc.tuple(fc.constant('state'), fc.oneof(fc.constant(attempt.state), near(attempt.state))),
    fc.tuple(fc.constant('code'), text),
    fc.tuple(fc.constant('error'), text),
    fc.tuple(text, text),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof({ weight: 3, arbitrary: fc.constant(REDIRECT) }, near(REDIRECT)),
      fc.array(parameter, { maxLength: 6 }),
      fc.boolean(),
      async (place, parameters, issInResponse) => {
        fc.pre(!place.includes('?'));
        const url = `${place}?${new URLSearchParams(parameters)}`;
        const code = await outcome(() => readAuthorizationResponse({ ...attempt, issInResponse }, url));
        if (code instanceof WarderError) return;
        const all = (name: string) => parameters.filter(([key]) => key === name).map(([, value]) => value);
        expect(place).toBe(REDIRECT);
        expect(all('state')).toEqual([attempt.state]);
        expect(all('code')).toEqual([code]);
        expect(all('error')).toEqual([]);
        expect(all('iss').length === 0 ? !issInResponse : all('iss').join() === ISSUER).toBe(true);
      },
    ),
    runs,
  );
});

test('W-AUTH-1 any header is read, and what a server says is found between whatever else it says', () => {
  const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]{0,10}$/);
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (header) => {
      parseChallenge(header);
      parseChallenge(`Bearer ${header}`);
    }),
    runs,
  );
  const other = fc
    .tuple(
      token.filter((one) => !/^(?:bearer|dpop)$/i.test(one)),
      fc.array(fc.tuple(token, fc.string({ maxLength: 20 })), { maxLength: 4 }),
    )
    .map(([scheme, parameters]) => {
      const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;
      return `${scheme} ${parameters.map(([name, text]) => `${name}=${quoted(text)}`).join(', ')}`;
    });
  fc.assert(
    fc.property(fc.array(other, { maxLength: 3 }), fc.array(other, { maxLength: 3 }), (before, after) => {
      const bearer = 'Bearer scope="a b", resource_metadata="https://mcp.example.com/x?y=\\"z"';
      expect(parseChallenge([...before, bearer, ...after].join(', '))).toMatchObject({
        scopes: ['a', 'b'],
        resourceMetadata: 'https://mcp.example.com/x?y="z',
      });
    }),
    runs,
  );
});

test('W-AUTH-7 a registration fits no other issuer', () => {
  fc.assert(
    fc.property(near(ISSUER), (issuer) => {
      const registration = clientOf({ issuer: ISSUER });
      expect(registrationFits(registration, { issuer, redirectUri: REDIRECT, now: 0 })).toBe(
        issuer === ISSUER,
      );
    }),
    runs,
  );
});

test('W-AUTH-15 a token whose only audience is a URL of another host is never taken', async () => {
  const use = { issuer: ISSUER, clientId: 'client-1', resource: RESOURCE, dpopKey: undefined };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.webUrl(), { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      async (audiences, several) => {
        fc.pre(audiences.every((one) => !/(?:mcp|auth)\.example\.com$/.test(new URL(one).hostname)));
        const aud = several ? audiences : audiences[0];
        expect(await outcome(() => checkAccessToken(unsignedJwt({ aud }), use))).toBeInstanceOf(WarderError);
        expect(
          await outcome(() => checkAccessToken(unsignedJwt({ aud: [audiences, RESOURCE].flat() }), use)),
        ).toBeUndefined();
      },
    ),
    runs,
  );
});

test('W-AUTH-15 any text is a token or none, and nothing that is sent breaks a header', async () => {
  const use = { issuer: ISSUER, clientId: 'client-1', resource: RESOURCE, dpopKey: undefined };
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 60 }), async (token) => {
      const result = await outcome(() => checkAccessToken(token, use));
      if (result === undefined) expect(token).toMatch(/^[\x21-\x7e]+$/);
      if (result === undefined) new Headers({ authorization: `Bearer ${token}` });
    }),
    runs,
  );
});

test('W-AUTH-4 a URL that may be used is read alike by everybody', () => {
  fc.assert(
    fc.property(near('https://auth.example.com/authorize?a=b'), (text) => {
      if (urlProblem(text, { insecureLoopback: false }) !== undefined) return;
      const url = new URL(text);
      expect(url.protocol).toBe('https:');
      expect(text.toLowerCase().startsWith('https://')).toBe(true);
      const authority = /^https:\/\/([^/?]*)/.exec(text)?.[1] ?? '';
      expect(new URL(`https://${authority}`).host).toBe(url.host);
      expect(authority).not.toMatch(/[@\\%]/);
    }),
    runs,
  );
});

test('W-AUTH-9 a metadata document is a client only where the server says that it takes such, and public clients', () => {
  const methods = fc.option(
    fc.subarray(['none', 'client_secret_basic', 'private_key_jwt', 'NONE', 'none ']),
    {
      nil: undefined,
    },
  );
  fc.assert(
    fc.property(
      fc.boolean(),
      methods,
      fc.option(near('https://client.example/warder.json'), { nil: undefined }),
      fc.boolean(),
      (clientIdMetadataDocuments, tokenAuthMethods, metadataDocument, customRedirect) => {
        const server = serverOf({ clientIdMetadataDocuments, tokenAuthMethods });
        const wish = { ...(metadataDocument !== undefined && { metadataDocument }), customRedirect };
        if (chooseRegistration(server, wish) !== 'metadata-document') return;
        expect(clientIdMetadataDocuments).toBe(true);
        expect(tokenAuthMethods).toContain('none');
        const url = new URL(metadataDocument ?? '');
        expect([url.protocol, url.href, url.username, url.hash]).toEqual([
          'https:',
          metadataDocument,
          '',
          '',
        ]);
        expect(url.pathname.length).toBeGreaterThan(1);
      },
    ),
    runs,
  );
});
