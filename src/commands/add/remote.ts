// `warder add` for a remote server: looks at what answers at the URL, writes the profile, and signs in if the person wants
// to. Nothing is sent with the URL but the headers that were given.
import { WarderError } from '../../errors.ts';
import type { AuthFile } from '../../profile/auth-schema.ts';
import { checkProfileName, type Profile, parseProfile } from '../../profile/format.ts';
import { profileExistsError, profilePath, profileStamp, writeProfile } from '../../profile/load.ts';
import { draftRemoteProfile } from '../../profile/remote-draft.ts';
import { policyText } from '../../profile/rule-edit.ts';
import type { Result } from '../../wire/control.ts';
import type { Context } from '../command.ts';
import { signIn } from '../login/sign-in.ts';
import { offerTools } from '../policy/offer.ts';
import { hostEntry, printHostEntry } from '../profile/host-entry.ts';
import { readSecret, type SecretInput } from '../terminal/secret-input.ts';
import { TRIAL_TIMEOUT } from '../test/trial-client.ts';
import { tryProfile } from '../test/try-profile.ts';
import type { AddArguments } from './options.ts';
import { authFor, chosenAuth, parseHeaders, refuseUrl } from './requested-url.ts';
import { schemaPath } from './schema-path.ts';

type Found = Result<'remote.probe'>;

export async function addRemote(context: Context, args: AddArguments, url: string): Promise<void> {
  const { places, terminal, json } = context;
  const { name, allow, ask, deny } = args;
  checkProfileName(name);
  refuseUrl(url, args['insecure-loopback']);
  if (profileStamp(places, name) !== undefined) throw profileExistsError(places, name);
  const headers = parseHeaders(args.header);
  const draft = {
    description: args.description,
    url,
    headers,
    allowPrivate: args['allow-private'],
    insecureLoopback: args['insecure-loopback'],
    allow,
    ask,
    deny,
    schema: schemaPath(),
  };
  const path = profilePath(places, name);
  const build = (auth: AuthFile) => {
    const text = draftRemoteProfile({ ...draft, auth });
    return { text, profile: parseNew(text, path, name) };
  };
  // What is wrong with the options is said before anybody is contacted.
  build(chosenAuth(args) ?? { type: 'none' });

  const isTried = args.test ?? true;
  const found = isTried ? await probe(context, draft) : undefined;
  if (found !== undefined && !json) for (const line of foundLines(found)) terminal.out(line);
  const auth = chosenAuth(args) ?? authFor(args, found);
  const { text, profile } = build(auth);
  const [credential] = profile.credentials;
  const typed = credential === undefined ? undefined : await readSecret(terminal, credential.name, false);
  const file = writeProfile(places, name, text);
  if (!json) terminal.out(`wrote ${file}`);
  if (credential !== undefined && typed !== undefined) await store(context, credential.name, typed);

  const isReady = await getReady(context, args, auth);
  const isOpen = isTried && isReady;
  const entry = hostEntry(context, name);
  const login = isReady ? [] : [`warder login ${name}`];
  if (json) {
    const trial =
      isOpen && args.test === true
        ? await tryProfile(context, name, { timeout: TRIAL_TIMEOUT, isAgreed: true })
        : undefined;
    const tools = trial?.tools?.map((tool) => tool.name);
    const next = [...login, `warder test ${name}`];
    terminal.json({ name, file, found, auth, next, host: entry, tools, error: trial?.error });
    return;
  }
  const wantsTools = isOpen && (args.test ?? terminal.interactive);
  if (!wantsTools) for (const line of policyText(text).split('\n')) terminal.out(`  ${line}`);
  const isOffered = wantsTools && (await offerTools(context, name, TRIAL_TIMEOUT, true));
  const next = [...login, ...(isOffered ? [] : [`warder test ${name}`, `warder policy choose ${name}`])];
  if (next.length > 0) terminal.out('\nnext:');
  for (const step of next) terminal.out(`  ${step}`);
  printHostEntry(context, name, entry);
}

/** Parses a profile that is made of options. Throws `usage` in place of `profile-invalid`: no file has the error. */
function parseNew(text: string, path: string, name: string): Profile {
  try {
    return parseProfile(text, path, name);
  } catch (error) {
    if (!(error instanceof WarderError) || error.code !== 'profile-invalid') throw error;
    const [, problem = error.message] = /:\d+:\d+: (.*)/.exec(error.message) ?? [];
    throw new WarderError('usage', problem, error.hint === undefined ? {} : { hint: error.hint });
  }
}

interface Candidate {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly allowPrivate: readonly string[];
  readonly insecureLoopback: boolean;
}

async function probe(
  context: Context,
  { url, headers, allowPrivate, insecureLoopback }: Candidate,
): Promise<Found> {
  using _progress = context.terminal.progress(`asking ${new URL(url).host} what it needs`);
  await using control = await context.control();
  try {
    return await control.request('remote.probe', {
      url,
      ...(Object.keys(headers).length > 0 && { headers: { ...headers } }),
      ...(allowPrivate.length > 0 && { 'allow-private': [...allowPrivate] }),
      ...(insecureLoopback && { 'insecure-loopback': true }),
    });
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    const hint = [error.hint, '--no-test writes the profile all the same'].filter(
      (text) => text !== undefined,
    );
    throw new WarderError(error.code, error.message, { hint: hint.join('; '), cause: error });
  }
}

const NEEDS: Readonly<Record<Found['needs'], string>> = {
  nothing: 'it needs no sign-in',
  oauth: 'it needs a sign-in',
  token: 'it asks for a token',
};
const TRANSPORTS: Readonly<Record<NonNullable<Found['transport']>, string>> = {
  stateless: 'Streamable HTTP, stateless (2026-07-28)',
  session: 'Streamable HTTP, with sessions',
  sse: 'SSE, which is the old transport',
};

function foundLines({
  url,
  transport,
  server,
  needs,
  issuers,
  scopes,
  registration,
  detail,
}: Found): string[] {
  const speaks = transport === null ? 'answers' : `speaks ${TRANSPORTS[transport]}`;
  return [
    `${new URL(url).host} ${speaks}; ${NEEDS[needs]}`,
    ...(server === null ? [] : [`  it calls itself ${server}`]),
    ...(issuers.length === 0 ? [] : [`  issuer ${issuers.join(', ')}`]),
    ...(scopes.length === 0 ? [] : [`  scopes ${scopes.join(' ')}`]),
    ...(needs !== 'oauth'
      ? []
      : [
          registration.length === 0
            ? '  a client is not registered there by itself: "client-id" of the profile names one'
            : `  client by ${registration.join(', or ')}`,
        ]),
    ...(detail === null ? [] : [`  ${detail}`]),
  ];
}

async function store(context: Context, name: string, { value, notes }: SecretInput): Promise<void> {
  const { terminal, json } = context;
  for (const note of notes) terminal.err(`${terminal.paint('yellow', 'warder: note:')} ${note}`);
  await using control = await context.control();
  const stored = await control.request('credential.set', { name, value });
  if (!json) terminal.out(`${stored.replaced ? 'replaced' : 'set'} "${stored.name}" in the ${stored.store}`);
}

/** Signs the person in where the server needs that. Returns whether the server can be used now. */
async function getReady(context: Context, args: AddArguments, auth: AuthFile): Promise<boolean> {
  const { terminal, json } = context;
  if (auth.type !== 'oauth') return true;
  if (!terminal.interactive || json || args.test === false) return false;
  try {
    await using control = await context.control();
    await signIn(context, control, args.name, {
      flow: undefined,
      scopes: undefined,
      browser: true,
      yes: false,
    });
    terminal.out('signed in');
    return true;
  } catch (error) {
    if (!(error instanceof WarderError)) throw error;
    terminal.err(`${terminal.paint('yellow', 'warder: note:')} ${error.message}`);
    if (error.hint !== undefined) terminal.err(`${terminal.paint('yellow', 'warder: hint:')} ${error.hint}`);
    return false;
  }
}
