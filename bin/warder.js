#!/usr/bin/env node
// Checks the Node version and runs a program according to the first arguments. CommonJS, because loading the launcher as an
// ES module takes 4 ms longer at each start of a server.
// Node opens its inspector for whoever sends this signal, and the inspector reads and runs everything.
process.on('SIGUSR1', () => {});
const { existsSync, readFileSync } = require('node:fs');
const [, , verb, word, extra] = process.argv;
const runs = verb === 'run' && word && word[0] !== '-' && extra === undefined;
const current = `${__dirname}/../dist/current`;
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 22)) {
  require('./refusal.js')(
    `this is Node ${process.versions.node}; Warder needs 22.22 or later`,
    'install a current Node, then run "warder init" with it: the launch command of hosts then starts it',
    runs,
  );
} else if (!existsSync(current)) {
  require('./refusal.js')('this copy of Warder is not built', 'run "npm run build"', runs);
} else {
  const { launcher, daemon, cli } = JSON.parse(readFileSync(current, 'utf8'));
  if (runs) require(`../dist/${launcher}`);
  else if (verb === 'daemon' && word === 'run' && (extra === undefined || extra === '--report'))
    import(`../dist/${daemon}`);
  else import(`../dist/${cli}`);
}
