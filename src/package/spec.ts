// The packages that a profile's `package:` names: `npm:NAME@VERSION`, `pypi:NAME==VERSION` and, from a bundle,
// `mcpb:NAME@VERSION`. Pure.
import { WarderError } from '../errors.ts';

/** A package of a registry. */
export interface PackageSpec {
  readonly registry: 'npm' | 'pypi' | 'mcpb';
  /** npm: `@scope/name` or `name`. PyPI: the normalized name (PEP 503). MCPB: of `a-z0-9._-`. */
  readonly name: string;
  /** PyPI's extras, normalized and sorted; empty for others. */
  readonly extras: readonly string[];
  /** An exact version, a range, a tag of npm, or undefined. Only an exact version can run. */
  readonly version: string | undefined;
}

const NPM_NAME = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;
const NPM_VERSION = /^[0-9A-Za-z.^~<>=|* +-]+$/;
/** SemVer 2.0.0, all three numbers. */
const NPM_EXACT = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

const PYPI_NAME = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i;
/** PEP 440, in its normal form. */
const PYPI_EXACT =
  /^(?:\d+!)?\d+(?:\.\d+)*(?:(?:a|b|rc)\d+)?(?:\.post\d+)?(?:\.dev\d+)?(?:\+[a-z0-9]+(?:\.[a-z0-9]+)*)?$/;
const PYPI_CLAUSE = /^ *(?:==|>=|<=|~=|!=|<|>) *[0-9A-Za-z.+!*]+ *$/;

const MCPB_NAME = /^[a-z0-9][a-z0-9._-]{0,99}$/;
const MCPB_VERSION = /^[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}$/;

const EXACT = { npm: NPM_EXACT, pypi: PYPI_EXACT, mcpb: MCPB_VERSION } as const;

const EXAMPLES = 'npm:@modelcontextprotocol/server-memory@2026.8.31 or pypi:mcp-server-fetch==2026.8.31';

/** Parses `npm:NAME[@VERSION]`, `pypi:NAME[EXTRAS][==VERSION]` and `mcpb:NAME@VERSION`. Throws `package-spec`. */
export function parseSpec(text: string): PackageSpec {
  const [, registry, name] = /^(npm|pypi|mcpb):(.*)$/s.exec(text) ?? [];
  if (registry !== undefined && name !== undefined)
    return parseName(registry as PackageSpec['registry'], name);
  throw new WarderError('package-spec', `"${text}" is not a package of a registry that Warder knows`, {
    hint: `write the registry, the name and the version, as in ${EXAMPLES}`,
  });
}

/** Parses a package of a registry as its users write it: `NAME@VERSION`, `NAME[EXTRA]==VERSION`. Throws `package-spec`. */
export function parseName(registry: PackageSpec['registry'], text: string): PackageSpec {
  if (registry === 'mcpb') return parseMcpbName(text);
  return registry === 'npm' ? parseNpmName(text) : parsePypiName(text);
}

/** Formats a spec as in a profile. */
export function formatSpec(spec: PackageSpec): string {
  const { registry, name, extras, version } = spec;
  if (registry !== 'pypi') return `${registry}:${name}${version === undefined ? '' : `@${version}`}`;
  return `pypi:${name}${extras.length > 0 ? `[${extras.join(',')}]` : ''}${isExact(spec) ? '==' : ''}${version ?? ''}`;
}

/** Whether the spec names exactly one version. */
export function isExact(spec: PackageSpec): spec is PackageSpec & { version: string } {
  return spec.version !== undefined && EXACT[spec.registry].test(spec.version);
}

/** The same package in another version: an exact one, a range, a tag; undefined for the latest. Throws `package-spec`. */
export function withVersion(spec: PackageSpec, version: string | undefined): PackageSpec {
  if (spec.registry === 'npm') return parseNpmName(`${spec.name}@${version ?? 'latest'}`);
  if (spec.registry === 'mcpb') return parseMcpbName(`${spec.name}@${version ?? spec.version}`);
  const bare = formatSpec({ ...spec, version: undefined }).slice('pypi:'.length);
  if (version === undefined) return parsePypiName(bare);
  return parsePypiName(
    /^\d/.test(version) ? `${bare}==${version}` : `${bare}${/^[a-z]/i.test(version) ? '@' : ''}${version}`,
  );
}

/** The name of a package's lock file, without its ending, and the beginning of its trees' names. */
export function lockId({ registry, name, extras }: PackageSpec, version: string): string {
  if (registry === 'npm') return `${name.replace('/', '+')}@${version}`;
  if (registry === 'mcpb') return `mcpb+${name}@${version}`;
  return `${['pypi', name, ...extras].join('+')}==${version}`;
}

/** The package's name without a scope: the name that its program has by default. */
export function unscopedName({ name }: PackageSpec): string {
  return name.replace(/^.*\//, '');
}

/** The normal form of a name of PyPI (PEP 503). */
export function normalName(name: string): string {
  return name.replace(/[-_.]+/g, '-').toLowerCase();
}

function parseMcpbName(text: string): PackageSpec {
  const [, name = '', version = ''] = /^([^@]*)@(.*)$/s.exec(text) ?? [];
  if (MCPB_NAME.test(name) && MCPB_VERSION.test(version))
    return { registry: 'mcpb', name, extras: [], version };
  throw new WarderError('package-spec', `"${text}" is not a bundle`, {
    hint: 'write NAME@VERSION, as "warder add NAME --from FILE.mcpb" does',
  });
}

function parseNpmName(text: string): PackageSpec {
  const at = text.indexOf('@', 1);
  const name = at === -1 ? text : text.slice(0, at);
  const version = at === -1 ? undefined : text.slice(at + 1);
  if (!NPM_NAME.test(name) || name.length > 214 || (version !== undefined && !NPM_VERSION.test(version))) {
    throw new WarderError('package-spec', `"${text}" is not a package of the npm registry`, {
      hint: 'write NAME@VERSION; packages from git, a file or a URL cannot be pinned',
    });
  }
  return { registry: 'npm', name, extras: [], version };
}

/** Parses what pip and uvx take: `name`, `name[a,b]`, `name==1.0`, `name>=1,<2`, `name@1.0`, `name@latest`. */
function parsePypiName(text: string): PackageSpec {
  const [, name = '', extras = '', at, clauses] =
    /^([^[\]=<>~!@ ,;]+) *(?:\[([^\]]*)\])? *(?:@ *([^@ ]+)|([=<>~!].*))?$/.exec(text) ?? [];
  const names = extras
    .split(',')
    .filter((extra) => extra.trim() !== '')
    .map((extra) => extra.trim());
  const valid =
    PYPI_NAME.test(name) &&
    text.length <= 200 &&
    names.every((each) => PYPI_NAME.test(each)) &&
    (at === undefined || at === 'latest' || PYPI_EXACT.test(at)) &&
    (clauses === undefined || clauses.split(',').every((clause) => PYPI_CLAUSE.test(clause)));
  if (!valid) {
    throw new WarderError('package-spec', `"${text}" is not a package of PyPI`, {
      hint: 'write NAME==VERSION or NAME[EXTRA]==VERSION; packages from git, a file or a URL cannot be pinned',
    });
  }
  const pinned = /^== *([^ ]+) *$/.exec(clauses ?? '')?.[1] ?? '';
  return {
    registry: 'pypi',
    name: normalName(name),
    extras: [...new Set(names.map(normalName))].sort(),
    version: PYPI_EXACT.test(pinned)
      ? pinned
      : (clauses?.replaceAll(' ', '') ?? (at === 'latest' ? undefined : at)),
  };
}
