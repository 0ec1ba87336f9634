// `unit` and `property` start no process, and their files share one: `npm run test:unit` takes seconds. `gates` lints,
// type-checks and holds the documents to the code. `integration` has real parts, `e2e` the built program; both find dist/
// built, and run two files at a time: the processes that they start need a core as well.
import { defineConfig } from 'vitest/config';

/** How long one waits says nothing on a busy machine. */
const poll = { interval: 20, timeout: 20_000 };

const quick = (name: string, include: string[]) => ({
  test: {
    name,
    include,
    isolate: false,
    maxWorkers: 2,
    testTimeout: 60_000,
    expect: { poll },
    sequence: { groupOrder: 0 },
  },
});
const slow = (name: string, seconds: number, order: number) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    globalSetup: ['test/built.ts'],
    testTimeout: seconds * 1000,
    hookTimeout: seconds * 1000,
    maxWorkers: 2,
    expect: { poll },
    sequence: { groupOrder: order },
  },
});

export default defineConfig({
  test: {
    projects: [
      quick('unit', ['test/unit/**/*.test.ts']),
      quick('property', ['test/property/**/*.test.ts']),
      quick('gates', ['test/gates.test.ts', 'test/architecture.test.ts']),
      slow('integration', 60, 1),
      slow('e2e', 180, 2),
    ],
  },
});
