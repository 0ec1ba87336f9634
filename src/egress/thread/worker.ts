// Program: the thread of the daemon's gates. Nothing but the daemon starts it.
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
const upstreamTrust = trustContext(outbound.authorities);
let checked: Promise<void> | undefined;

serveGates({
  ...ways,
  port: parentPort,
  outbound: (_, proxy) => ({ dialler: diallers.make(proxy, upstreamTrust), upstreamTrust }),
  checkNode() {
    checked ??= checkNodeHooks();
    return checked;
  },
});
