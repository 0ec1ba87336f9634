// Ends a program that cannot start at all, with exit code 69. A host that asks something within a second is answered with
// the reason, as by src/wire/refused-start.ts, which is not there to be used. For any version of Node.
const PATIENCE = 1000;

module.exports = function refuse(message, hint, runs) {
  process.stderr.write(`warder: error: ${message}\nwarder: hint: ${hint}\n`);
  process.exitCode = 69;
  if (!runs) return;
  const exit = () => process.exit();
  let text = '';
  const answer = () => {
    for (const line of text.split('\n')) {
      let id;
      try {
        ({ id } = JSON.parse(line));
      } catch {
        continue;
      }
      if (typeof id !== 'number' && typeof id !== 'string') continue;
      const error = { code: -32015, message, data: { code: 'unsupported', hint } };
      process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, error })}\n`, exit);
      return true;
    }
    return false;
  };
  setTimeout(exit, PATIENCE);
  process.stdout.on('error', exit);
  process.stdin.on('error', exit);
  process.stdin.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
    if (answer() || text.length > 2 ** 20) process.stdin.pause();
  });
  process.stdin.on('end', exit);
};
