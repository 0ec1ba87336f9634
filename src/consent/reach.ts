// What a profile lets its server do, as questions say it.
import { carriedCredential } from '../profile/auth.ts';
import type { Profile } from '../profile/format.ts';
import type { Reach } from './questions/question.ts';

export function reachOf({ name, sandbox, server, credentials }: Profile): Reach {
  if (server.kind === 'url') {
    const { host } = new URL(server.url);
    const carried = carriedCredential(server.auth, name);
    return {
      sandbox: 'remote',
      network: [host],
      read: [],
      write: [],
      credentials: carried === undefined ? [] : [carried],
    };
  }
  const isOff = sandbox?.off === true;
  const sealed = credentials.flatMap(({ hosts }) => hosts);
  return {
    sandbox: isOff ? 'off' : 'on',
    network: [...new Set([...(sandbox?.network ?? []), ...sealed])],
    read: sandbox?.read ?? [],
    write: sandbox?.write ?? [],
    credentials: credentials.map((credential) => credential.name),
  };
}
