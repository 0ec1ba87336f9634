// Program: the thread of the daemon's gates. Nothing but the daemon starts it.
import type { SecureContext } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import { processClock } from '../../os/clock.ts';
import { Diallers, type OutboundData, trustContext } from '../dial/diallers.ts';
import { checkNodeHooks } from '../node-hooks.ts';
import { serveGates, type ThreadWays } from './serve.ts';

/** What the program is started with. */
export interface GateThreadData extends ThreadWays {
  readonly outbound: OutboundData;
}

const { outbound, ...ways } = workerData as GateThreadData;
if (parentPort === null) throw new Error('this is the program of a thread');
const diallers = new Diallers(outbound.resolvers, processClock);
/** Made for the first connection that needs it. */
let upstreamTrust: SecureContext | undefined;
let checked: Promise<void> | undefined;

function trust(): SecureContext {
  upstreamTrust ??= trustContext(outbound.authorities);
  return upstreamTrust;
}

serveGates({
  ...ways,
  port: parentPort,
  outbound: (_, proxy) => ({ dialler: diallers.make(proxy, trust), upstreamTrust: trust }),
  checkNode() {
    checked ??= checkNodeHooks();
    return checked;
  },
});
