// The program that talks to the keychain through the keyring package, and does nothing else. The daemon starts
// it when a value is wanted (`os/keyring.ts`) and ends it when it hangs: opening an entry connects to the
// Secret Service then and there, and waits without end when the bus stands still; a call that waits for a
// person keeps a thread. In the daemon either would be felt by every session.
import { AsyncEntry, findCredentialsAsync } from '@napi-rs/keyring';
import type { KeyringReply, KeyringRequest } from './os/keyring.ts';

/** Never anything but the Secret Service: the kernel's keyring, which it would fall back to, is lost at reboot. */
const PINNED = { linux: { store: 'secret-service' } } as const;

process.on('message', (request: KeyringRequest) => {
  perform(request).then(
    (result) => reply({ id: request.id, result }),
    (error: unknown) =>
      reply({ id: request.id, error: error instanceof Error ? error.message : String(error) }),
  );
});
// The daemon is gone. A call that hangs would keep an orderly exit waiting.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

/** Entries keep their connection: opening one takes longer than all else. */
const entries = new Map<string, AsyncEntry>();

async function perform(request: KeyringRequest): Promise<unknown> {
  const { verb, service } = request;
  if (verb === 'list') return await findCredentialsAsync(service);
  const key = `${service} ${request.account}`;
  const known = entries.get(key);
  const entry = known ?? new AsyncEntry(service, request.account, PINNED);
  entries.set(key, entry);
  try {
    if (verb === 'get') return await entry.getPassword();
    if (verb === 'set') return await entry.setPassword(request.value);
    return await entry.deletePassword();
  } catch (error) {
    // Its connection may be of a service that has gone: once more with a new one.
    entries.delete(key);
    if (known === undefined) throw error;
    return await perform(request);
  }
}

function reply(message: KeyringReply): void {
  if (process.connected) process.send?.(message);
}
