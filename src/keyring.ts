// The program that calls the keychain of macOS and Windows through the keyring package, and does nothing else. The daemon
// starts it when it needs a value (`os/keyring.ts`) and kills it when it hangs: a call that waits for the user occupies
// a thread, without a time limit. In the daemon, every session would feel that.
import { AsyncEntry, findCredentialsAsync } from '@napi-rs/keyring';
import type { KeyringReply, KeyringRequest } from './os/keyring.ts';
import { openLibc } from './os/libc.ts';

/** Settles when no debugger of the same user can read the values, where koffi is installed. */
const hardened = openLibc(process.platform).then(
  ({ disableCoreDumps }) => disableCoreDumps(),
  () => false,
);

process.on('message', (request: KeyringRequest) => {
  hardened
    .then(() => perform(request))
    .then(
      (result) => reply({ id: request.id, result }),
      (error: unknown) =>
        reply({ id: request.id, error: error instanceof Error ? error.message : String(error) }),
    );
});
// The daemon has ended. A call that hangs would delay an orderly exit.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

async function perform(request: KeyringRequest): Promise<unknown> {
  const { verb, service } = request;
  if (verb === 'list') return await findCredentialsAsync(service);
  const entry = new AsyncEntry(service, request.account);
  if (verb === 'get') return await entry.getPassword();
  if (verb === 'set') return await entry.setPassword(request.value);
  return await entry.deletePassword();
}

function reply(message: KeyringReply): void {
  if (process.connected) process.send?.(message);
}
