import * as http from 'node:http';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { headerValue } from '../../../../src/remote/transport/standard-headers.ts';

/** As the specification has a server read it. */
function decode(header: string): string {
  const [, base64] = /^=\?base64\?(.*)\?=$/.exec(header) ?? [];
  return base64 === undefined ? header : Buffer.from(base64, 'base64').toString();
}

test('W-REM-11: any value is one header of printable ASCII, and is read back as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (raw) => {
      const value = raw.toWellFormed();
      const header = headerValue(value);
      expect(header).toMatch(/^[\x20-\x7e]*$/);
      expect(header.trim()).toBe(header);
      expect(() => http.validateHeaderValue('mcp-name', header)).not.toThrow();
      expect(decode(header)).toBe(value);
    }),
    { numRuns: process.env.SLOW === '1' ? 20_000 : 500 },
  );
});
