// A session's host: as the end of a relay, and what it is told of the server.
import { constants } from 'node:os';
import type { Host } from '../control/host.ts';
import type { Ending } from '../os/spawn.ts';
import type { HostEnd } from '../relay/endpoint.ts';
import type { ServerLog } from './server-log.ts';
import type { StartedServer } from './started-server.ts';

/** Tells the launcher which processes to end if the daemon dies, if there are any. */
export function announceServer(host: Host, { process }: StartedServer): void {
  if (process !== undefined) host.announceServer(process);
}

/** The host as an end of a session. What it gets of standard error is kept in `output` too. */
export function hostEndOf(host: Host, output: Pick<ServerLog, 'server'>): HostEnd {
  return {
    gone: host.gone,
    listen: (on) => host.listen(on),
    pause: () => host.pause(),
    resume: () => host.resume(),
    write: (chunks, done) => host.write(chunks, done),
    writeStderr(chunks) {
      output.server(chunks);
      return chunks.map((chunk) => host.stderr(chunk)).every(Boolean);
    },
    onDrain: (listener) => host.onDrain(listener),
    close: () => host.close(),
  };
}

/** The launcher's exit code: the server's, or 128 plus the number of the signal that ended it, as in shells. */
export function exitCode({ code, signal }: Ending): number {
  if (code !== null) return code;
  return 128 + (constants.signals[signal as NodeJS.Signals] ?? 0);
}
