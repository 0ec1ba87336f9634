// What a session of a remote server begins with while the server cannot be asked: what the user has accepted of it, and what it
// was when it was last asked. The latter is no part of what is accepted; it is in a file that only Warder can have written.
import * as z from 'zod';
import type { OfflineRecord } from '../../relay/offline-record.ts';
import type { IntroducedIdentity } from '../../relay/trust.ts';
import type { Parts, TrustRecord } from './record.ts';

/** The longest member that is kept, in characters. */
const MAX_KEPT = 65_536;

const text = z.string().max(MAX_KEPT).nullable();
const identityFile = z.strictObject({ name: text, version: text, capabilities: text });

/** What is known of a server that was accepted; without what was too long to be kept. */
export function offlineServer(
  { described }: TrustRecord,
  identity: IntroducedIdentity | undefined,
): OfflineRecord {
  const said = (name: string): string | undefined => described.introduction.get(name)?.text;
  const info = {
    name: identity?.name,
    version: identity?.version,
    title: said('title'),
    description: said('description'),
  };
  const members = Object.entries(info).flatMap(([name, json]) =>
    json === undefined ? [] : [`"${name}":${json}`],
  );
  return {
    serverInfo: info.name === undefined || info.version === undefined ? undefined : `{${members.join(',')}}`,
    instructions: said('instructions'),
    capabilities: identity?.capabilities,
    tools: textsOf(described.tools),
    prompts: textsOf(described.prompts),
    resources: textsOf(described.resources),
    templates: textsOf(described.templates),
  };
}

/** As it is in its file. What is too long is not kept. */
export function identityToFile({ name, version, capabilities }: IntroducedIdentity): object {
  const kept = (json: string | undefined): string | null =>
    json === undefined || json.length > MAX_KEPT ? null : json;
  return { name: kept(name), version: kept(version), capabilities: kept(capabilities) };
}

/** Throws zod's error. */
export function identityFromFile(value: unknown): IntroducedIdentity {
  const { name, version, capabilities } = identityFile.parse(value);
  return {
    name: name ?? undefined,
    version: version ?? undefined,
    capabilities: capabilities ?? undefined,
  };
}

function textsOf(parts: Parts): string[] {
  return [...parts.values()].flatMap(({ text: json }) => json ?? []);
}
