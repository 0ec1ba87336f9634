import { expect, test } from 'vitest';
import { readPipSettings } from '../../../../src/package/pypi/settings.ts';

test("how the index is reached is taken from the user's settings; variables win over files", () => {
  const { variables, ignored } = readPipSettings(
    [
      ":env:.index-url='https://user:token@index.example/simple'",
      ":env:.target='/tmp/x'",
      "global.cert='/etc/ca.pem'",
      "global.index-url='https://other.example/simple'",
      "global.proxy='http://old.example'",
      'install.proxy="http://proxy.example"',
      "global.no-binary=':all:'",
      "global.trusted-host='\\na.example\\nb.example'",
      'nonsense',
    ].join('\n'),
  );
  expect(variables).toEqual({
    PIP_INDEX_URL: 'https://user:token@index.example/simple',
    PIP_CERT: '/etc/ca.pem',
    PIP_PROXY: 'http://proxy.example',
    PIP_TRUSTED_HOST: ' a.example b.example',
  });
  expect(ignored).toEqual([]);
});

test('W-PKG-10 a second source is never used', () => {
  const { variables, ignored } = readPipSettings(
    "global.extra-index-url='https://b.example'\n:env:.find-links='/wheels'\nglobal.index-url='https://a.example'",
  );
  expect(variables).toEqual({ PIP_INDEX_URL: 'https://a.example' });
  expect(ignored).toEqual(['extra-index-url', 'find-links']);
});

test('W-PKG-10 without an index, folders are the one source', () => {
  const { variables, ignored } = readPipSettings(
    "global.no-index='true'\nglobal.find-links='/wheels'\nglobal.index-url='https://a.example'",
  );
  expect(variables).toEqual({ PIP_NO_INDEX: 'true', PIP_FIND_LINKS: '/wheels' });
  expect(ignored).toEqual([]);
});
