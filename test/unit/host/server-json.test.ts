import { expect, test } from 'vitest';
import { TextProblem } from '../../../src/host/document.ts';
import { isServerJson, readServerJson } from '../../../src/host/server-json.ts';

const npm = {
  registryType: 'npm',
  registryBaseUrl: 'https://registry.npmjs.org',
  identifier: '@acme/weather',
  version: '1.0.2',
  runtimeHint: 'npx',
  transport: { type: 'stdio' },
};
const describe = (more: object) => ({
  $schema: 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json',
  name: 'io.github.acme/weather',
  description: 'the weather',
  version: '1.0.2',
  ...more,
});

test('a package of npm, with its variables and arguments', () => {
  const offer = readServerJson(
    describe({
      packages: [
        { registryType: 'oci', identifier: 'acme/weather', version: '1' },
        {
          ...npm,
          runtimeArguments: [{ type: 'positional', value: '-y' }],
          packageArguments: [
            { type: 'named', name: '--units', value: '{units}', variables: { units: { default: 'metric' } } },
            { type: 'named', name: '--api-key', isRequired: true, isSecret: true },
            { type: 'positional', valueHint: 'city', isRequired: true, description: 'where' },
            { type: 'named', name: '--proxy' },
            { type: 'positional', value: 'serve {unknown}' },
          ],
          environmentVariables: [
            { name: 'WEATHER_CODE', isRequired: true, isSecret: true, default: 'in-clear' },
            { name: 'API_TOKEN', isRequired: true },
            { name: 'OTHER_KEY', isSecret: true },
            { name: 'LEVEL', default: 'info' },
            { name: 'REGION', isRequired: true, description: 'which region' },
          ],
        },
      ],
      remotes: [{ type: 'streamable-http', url: 'https://weather.example.com/mcp' }],
    }),
    false,
  );
  expect(offer).toEqual({
    kind: 'package',
    name: 'io.github.acme/weather',
    description: 'the weather',
    spec: 'npm:@acme/weather@1.0.2',
    words: [
      { word: '--units' },
      { word: 'metric' },
      { word: '--api-key' },
      { word: `\${credential:API_KEY}` },
      { missing: { name: 'city', description: 'where' } },
      { word: 'serve {unknown}' },
    ],
    secrets: ['WEATHER_CODE', 'API_TOKEN'],
    values: { LEVEL: 'info' },
    missing: [{ name: 'REGION', description: 'which region' }],
    unused: [{ name: 'OTHER_KEY' }, { name: '--proxy' }],
    alsoAt: ['https://weather.example.com/mcp'],
  });
  expect(JSON.stringify(offer)).not.toContain('in-clear');
});

test('W-HOST-51 a secret inside of a text is referred to there: in an argument, and in a variable where it is sealed', () => {
  const token = { isSecret: true, isRequired: true, default: 'in-clear' };
  const described = describe({
    packages: [
      {
        ...npm,
        packageArguments: [
          {
            type: 'named',
            name: '--header',
            value: 'Authorization: Bearer {token}',
            isRequired: true,
            variables: { token },
          },
          { type: 'positional', value: '{token}', isRequired: true, variables: { token } },
        ],
        environmentVariables: [
          {
            name: 'HEADERS',
            isRequired: true,
            value: '{"Authorization":"Bearer {token}","X-Plan":"{plan}"}',
            variables: { token, plan: { default: 'free' } },
          },
          { name: 'TOKEN', isRequired: true },
          {
            name: 'OPEN',
            value: '{token} {team}',
            isRequired: true,
            variables: { token, team: { isRequired: true } },
          },
        ],
      },
    ],
  });
  const sealed = readServerJson(described, true);
  expect(sealed).toMatchObject({
    words: [
      { word: '--header' },
      { word: `Authorization: Bearer \${credential:TOKEN_2}` },
      { word: `\${credential:ARGUMENT}` },
    ],
    values: { HEADERS: `{"Authorization":"Bearer \${credential:TOKEN_2}","X-Plan":"free"}` },
    secrets: ['TOKEN_2', 'TOKEN', 'OPEN'],
  });
  const plain = readServerJson(described, false);
  expect(plain).toMatchObject({ values: {}, secrets: ['HEADERS', 'TOKEN', 'OPEN'] });
  expect(JSON.stringify([sealed, plain])).not.toContain('in-clear');
});

test('a package of PyPI, the wrapping of an API, and a version that is none', () => {
  const pypi = { registryType: 'pypi', identifier: 'mcp-weather', version: '2.0' };
  const value = { server: describe({ packages: [pypi] }), _meta: {} };
  expect(isServerJson(value)).toBe(true);
  expect(readServerJson(value, false)).toMatchObject({ spec: 'pypi:mcp-weather==2.0' });
  expect(readServerJson(describe({ packages: [{ ...npm, version: 'latest' }] }), false)).toMatchObject({
    spec: 'npm:@acme/weather',
  });
});

test('a remote server: a secret header by name, the others as they are', () => {
  expect(
    readServerJson(
      describe({
        remotes: [
          {
            type: 'streamable-http',
            url: 'https://weather.example.com/mcp',
            headers: [
              { name: 'X-Api-Key', isRequired: true, isSecret: true },
              { name: 'X-Plan', value: 'free' },
              { name: 'X-Trace' },
            ],
          },
          { type: 'sse', url: 'https://weather.example.com/sse' },
        ],
      }),
      false,
    ),
  ).toMatchObject({
    kind: 'remote',
    url: 'https://weather.example.com/mcp',
    secrets: ['X-Api-Key'],
    values: { 'X-Plan': 'free' },
    unused: [{ name: 'X-Trace' }],
    alsoAt: ['https://weather.example.com/sse'],
  });
});

test('what cannot be pinned, or is not of the format, is refused by its place and without its text', () => {
  const refused: [object, RegExp][] = [
    [{ packages: [{ ...npm, registryType: 'oci' }] }, /no package that can be pinned/],
    [{ packages: [{ ...npm, registryType: 'constructor' }] }, /no package that can be pinned/],
    [{ packages: [{ ...npm, registryBaseUrl: 'https://registry.evil.example' }] }, /no package/],
    [{ packages: [{ ...npm, transport: { type: 'sse' } }] }, /no package/],
    [{ packages: [] }, /it has: none/],
    [{ packages: [{ ...npm, identifier: 3 }] }, /packages\.0\.identifier/],
    [
      { packages: [{ ...npm, runtimeArguments: [{ type: 'named', name: '--registry', value: 'x' }] }] },
      /for npx or uvx itself/,
    ],
    [{ remotes: [{ type: 'sse', url: 'https://{tenant}.example.com' }] }, /part that each user has/],
  ];
  for (const [more, message] of refused) {
    expect(() => readServerJson(describe(more), false)).toThrow(TextProblem);
    expect(() => readServerJson(describe(more), false)).toThrow(message);
  }
  for (const value of [null, [], 3, {}, { name: 'x' }, { mcpServers: {} }])
    expect(isServerJson(value)).toBe(false);
});
