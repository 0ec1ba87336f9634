// The last reporter of ./scripts/test: names what was skipped and why, and closes with one line over all suites.
// A file that does not load and an error outside any test count as failures, and so does, with CI set, the skip of a
// test that proves a promise of SECURITY.md.
import type { Reporter, TestModule } from 'vitest/node';

const promise = /\bW-[A-Z]+-\d+\b/;

/** Prints `N passed, N failed, N skipped` after everything else. */
export default class Tally implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], stray: readonly unknown[]): void {
    const count = { passed: 0, failed: stray.length, skipped: 0 };
    for (const module of modules) {
      const suites = [module, ...module.children.allSuites()];
      count.failed += suites.filter((suite) => suite.errors().length > 0).length;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') count.passed++;
        else if (result.state === 'failed') count.failed++;
        else if (process.env.CI && promise.test(test.fullName)) {
          count.failed++;
          console.log(`failed: a security test was skipped: ${test.fullName}`);
        } else {
          count.skipped++;
          console.log(
            `skipped: ${test.fullName}${'note' in result && result.note ? ` (${result.note})` : ''}`,
          );
        }
      }
    }
    if (count.failed > 0) process.exitCode = 1;
    console.log(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
  }
}
