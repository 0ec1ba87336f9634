#!/usr/bin/env node
// Checks the Node version and picks a program by the first argument. CommonJS, because loading the
// launcher as an ES module costs 4 ms at each start of a server.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 22)) {
  process.stderr.write(`warder: error: this is Node ${process.versions.node}; Warder needs 22.22 or later\n`);
  process.stderr.write('warder: hint: install a current Node, or give the path of one in the host\'s config\n');
  process.exit(69);
}
if (process.argv[2] === 'run') require('../dist/launcher.cjs');
else if (process.argv[2] === 'daemon' && process.argv[3] === 'run') import('../dist/daemon.js');
else import('../dist/cli.js');
