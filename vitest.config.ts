// `unit` and `property` start no process and take seconds: `npm run test:unit`. `gates` lints, type-checks and holds
// the documents to the code. `integration` has real parts, `e2e` the built program; both find dist/ built, and run two
// files at a time: the processes that they start need a core as well.
import { defineConfig } from 'vitest/config';

const quick = (name: string, include: string[], order: number) => ({
  test: { name, include, sequence: { groupOrder: order } },
});
const slow = (name: string, seconds: number, order: number) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    globalSetup: ['test/built.ts'],
    testTimeout: seconds * 1000,
    hookTimeout: seconds * 1000,
    maxWorkers: 2,
    sequence: { groupOrder: order },
  },
});

export default defineConfig({
  test: {
    projects: [
      quick('unit', ['test/unit/**/*.test.ts'], 0),
      quick('property', ['test/property/**/*.test.ts'], 0),
      quick('gates', ['test/gates.test.ts'], 0),
      slow('integration', 30, 1),
      slow('e2e', 60, 2),
    ],
  },
});
