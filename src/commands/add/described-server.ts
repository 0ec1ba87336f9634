// What a description of a server comes to: the options of `warder add`, and the lines that a person reads before. Of the
// registry's server.json, and of an entry as READMEs print it for hosts.
import { escapeUnprintable } from '../../audit/printable.ts';
import { WarderError } from '../../errors.ts';
import type { PastedServer } from '../../host/pasted.ts';
import { planServer } from '../../host/plan.ts';
import { secretsOf } from '../../host/secrets.ts';
import type { RegistryOffer } from '../../host/server-json.ts';
import { parseNpx, parseUvx } from '../../package/readme-line.ts';
import { formatSpec } from '../../package/spec.ts';
import { parseEnvOptions } from '../profile/option-checks.ts';
import type { AddArguments } from './options.ts';
import { parseHeaders } from './requested-url.ts';
import { commandLine, plainDescription, say, shownName } from './shown-words.ts';

/** What is added, and what a person reads of it before. */
export interface Offered {
  readonly args: AddArguments;
  /** Lines; names and values in them are of the text. */
  readonly lines: readonly string[];
}

export function fromPasted({ server, secrets, missing }: PastedServer, args: AddArguments): Offered {
  const title = server.name === '' ? 'a server' : `"${server.name}"`;
  if (server.kind === 'remote') {
    const found = secretsOf(server);
    if (found.some(({ where }) => where === 'url'))
      throw new WarderError('usage', `the URL of ${title} has a secret in it`, {
        hint: 'give the URL without it, and the secret with --bearer or --key-header',
      });
    const hidden = new Set(found.map(({ name }) => name));
    const headers = Object.entries(server.headers).filter(([name]) => !hidden.has(name));
    return remote(title, server.url, Object.fromEntries(headers), [...secrets, ...hidden], missing, args);
  }
  const isWhole = args.deliver !== undefined && args.deliver !== 'sealed';
  const plan = planServer(server, undefined, isWhole ? [] : args.host.length > 0 ? args.host : undefined);
  if (plan.kind === 'left')
    throw new WarderError('usage', `${title} cannot be added from there: ${plan.why}`, {
      hint: `give its command: warder add ${args.name} -- COMMAND`,
    });
  if (plan.kind === 'remote') {
    const token = plan.auth?.type === 'header' ? plan.auth.header : 'Authorization';
    const hasToken = plan.auth?.type === 'bearer' || plan.auth?.type === 'header';
    return remote(title, plan.url, plan.headers, [...secrets, ...(hasToken ? [token] : [])], missing, args);
  }
  const open = plan.wanted.find(({ into }) => into.kind !== 'argument');
  if (open !== undefined)
    throw new WarderError(
      'usage',
      `${title} cannot be added from there: a host fills in a part of its arguments`,
      {
        hint: `give its command: warder add ${args.name} -- COMMAND`,
      },
    );
  const inArguments = plan.credentials.filter(({ from }) => from.where === 'argument');
  const variables = plan.credentials.filter(({ from }) => from.where === 'variable');
  const line =
    plan.start === 'npx' ? parseNpx(plan.words) : plan.start === 'uvx' ? parseUvx(plan.words) : undefined;
  const words = line?.args ?? plan.words;
  const folders = plan.knows.writes === true ? words.filter((word) => /^(?:~|\/)/.test(word)) : [];
  return local(
    title,
    {
      ...(line === undefined ? {} : { package: formatSpec(line.spec), bin: line.bin }),
      words,
      values: plan.env,
      secrets: [...secrets, ...variables.map(({ variable }) => variable)],
      secretArguments: [
        ...inArguments.map(({ variable }) => variable),
        ...plan.wanted.flatMap(({ into }) => ('name' in into ? [into.name] : [])),
      ],
      missing,
    },
    {
      ...args,
      host: args.host.length > 0 ? args.host : [...plan.hosts],
      cwd: args.cwd ?? plan.cwd,
      write: [...args.write, ...folders],
      home: args.home ?? (plan.knows.keepsHome === true ? 'kept' : undefined),
    },
  );
}

export function fromRegistry(offer: RegistryOffer, args: AddArguments): Offered {
  const described = { ...args, description: args.description ?? plainDescription(offer.description) };
  const title = `"${offer.name}" of the registry`;
  const more = [
    ...offer.unused.map(({ name, description }) => `  left out, optional: ${name}${say(description)}`),
    ...offer.alsoAt.map((url) => `  it is also at ${url}`),
  ];
  const missing = offer.missing.map(({ name, description }) => ({ name, text: description ?? '' }));
  if (offer.kind === 'remote') {
    const { args: options, lines } = remote(
      title,
      offer.url,
      offer.values,
      offer.secrets,
      missing,
      described,
    );
    return { args: options, lines: [...lines, ...more] };
  }
  // The words after "--" stand where the description asks for some, in their order; the rest follow.
  const given = [...(args['--'] ?? [])];
  const words = offer.words.map((one) => {
    if ('word' in one) return one.word;
    const next = given.shift();
    if (next !== undefined) return next;
    throw new WarderError(
      'usage',
      `the server needs the argument ${shownName(one.missing.name)}${say(one.missing.description)}`,
      {
        hint: `give it after "--": warder add ${args.name} --from … -- VALUE`,
      },
    );
  });
  const { args: options, lines } = local(
    title,
    {
      package: offer.spec,
      words,
      values: offer.values,
      secrets: offer.secrets,
      secretArguments: [],
      missing,
    },
    { ...described, '--': given },
  );
  return { args: options, lines: [...lines, ...more] };
}

interface Local {
  readonly package?: string;
  readonly bin?: string | undefined;
  readonly words: readonly string[];
  readonly values: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
  readonly secretArguments: readonly string[];
  readonly missing: readonly Missing[];
}

interface Missing {
  readonly name: string;
  readonly text: string;
}

function local(title: string, server: Local, args: AddArguments): Offered {
  const given = parseEnvOptions(args.env);
  requireValues(
    title,
    server.missing,
    (name) => Object.hasOwn(given, name) || args.credential.includes(name),
    '--env',
  );
  const credential = [...new Set([...args.credential, ...server.secrets])].filter(
    (name) => !Object.hasOwn(given, name),
  );
  const values = Object.entries(server.values).filter(
    ([name]) => !Object.hasOwn(given, name) && !credential.includes(name),
  );
  const words = [...server.words, ...(args['--'] ?? [])];
  return {
    args: {
      ...args,
      package: server.package,
      bin: server.bin ?? args.bin,
      credential,
      env: [...args.env, ...values.map(([name, value]) => `${name}=${value}`)],
      '--': words,
    },
    lines: [
      `${title} is:`,
      ...(server.package === undefined ? [] : [`  package ${server.package}`]),
      ...(server.bin === undefined ? [] : [`  its program ${server.bin}`]),
      ...(words.length === 0
        ? []
        : [`  ${server.package === undefined ? 'command' : 'arguments'} ${commandLine(words)}`]),
      ...(args.cwd === undefined ? [] : [`  folder ${args.cwd}`]),
      ...args.write.map((path) => `  it may change ${path}`),
      ...values.map(([name, value]) => `  variable ${name}=${value}`),
      ...[...credential, ...server.secretArguments].map(
        (name) => `  secret ${name}: to be set, not taken from there`,
      ),
      ...args.host.map((host) => `  it may reach ${host}`),
    ],
  };
}

function remote(
  title: string,
  url: string,
  headers: Readonly<Record<string, string>>,
  secrets: readonly string[],
  missing: readonly Missing[],
  args: AddArguments,
): Offered {
  const given = Object.keys(parseHeaders(args.header)).map((name) => name.toLowerCase());
  const isGiven = (name: string): boolean => given.includes(name.toLowerCase());
  requireValues(title, missing, isGiven, '--header');
  const [secret, second] = secrets;
  if (second !== undefined)
    throw new WarderError('usage', `${title} takes more than one secret header, and a profile has one`, {
      hint: `write the profile by hand: warder add ${args.name} URL, then "warder edit ${args.name}"`,
    });
  const isBearer = secret?.toLowerCase() === 'authorization';
  const other = Object.entries(headers).filter(([name]) => !isGiven(name));
  return {
    args: {
      ...args,
      url,
      bearer: args.bearer || isBearer,
      'key-header': args['key-header'] ?? (isBearer ? undefined : secret),
      header: [...args.header, ...other.map(([name, value]) => `${name}: ${value}`)],
    },
    lines: [
      `${title} is:`,
      `  remote ${url}`,
      ...other.map(([name, value]) => `  header ${name}: ${value}`),
      ...secrets.map((name) => `  secret header ${name}: to be set, not taken from there`),
    ],
  };
}

/** Throws `usage` for what only the person knows. */
function requireValues(
  title: string,
  missing: readonly Missing[],
  isGiven: (name: string) => boolean,
  option: string,
): void {
  const open = missing.filter(({ name }) => !isGiven(name));
  if (open.length === 0) return;
  const [{ name, text } = { name: '', text: '' }] = open;
  const form = option === '--env' ? `${shownName(name)}=VALUE` : `"${shownName(name)}: VALUE"`;
  throw new WarderError(
    'usage',
    `${escapeUnprintable(title)} needs ${open.map((one) => shownName(one.name)).join(', ')}${say(text)}`,
    { hint: `give it with ${option} ${form}; what it holds is not guessed` },
  );
}
