// The quiet session of the bench of isolation: `node quiet.js COMMAND…`. It is a process of its own, so that nothing that the
// attack takes is part of what it measures. For each line with a number of milliseconds it calls for that long, one call a
// millisecond, and prints what the calls took as a line of JSON.
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Host, initialize, LOST } from './session-host.js';

const host = new Host(process.argv.slice(2), process.env).read();
await host.call('initialize', initialize);
host.send({ method: 'notifications/initialized' });

for await (const line of createInterface({ input: process.stdin })) {
  const taken = [];
  for (const end = performance.now() + Number(line); performance.now() < end; ) {
    taken.push(await host.call('tools/call', { name: 'echo', arguments: { text: 'hello' } }));
    if (taken.at(-1) >= LOST) break;
    await sleep(1);
  }
  console.log(JSON.stringify(taken));
}
host.kill();
