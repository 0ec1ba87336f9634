import { expect, test } from 'vitest';
import { checkSocketDescriptor } from '../../../src/os/socket-descriptor.ts';

test('this Node shows the descriptor of a socket', () => {
  expect(() => checkSocketDescriptor()).not.toThrow();
});

test('a Node that shows none is refused', () => {
  expect(() => checkSocketDescriptor(() => -1)).toThrow(
    expect.objectContaining({
      code: 'unsupported',
      message: expect.stringContaining(`Node ${process.version}`),
    }),
  );
});
