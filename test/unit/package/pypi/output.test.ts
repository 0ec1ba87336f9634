import { describe, expect, test } from 'vitest';
import { missingRequirement, pipWords } from '../../../../src/package/pypi/output.ts';

test("W-PKG-8 pip's words are shown without secrets, addresses' users and control characters", () => {
  const output = [
    'Looking in indexes: https://user:hunter2@index.example/simple',
    'WARNING: something',
    'ERROR: 401 Error, Credentials not correct for https://user:hunter2@index.example/simple/a/?token=abc',
    'ERROR: the key is s3cr3t-value \u001b[31mred\u001b[0m\u0007',
    'ERROR: Could not find a version that satisfies the requirement a',
  ].join('\n');
  expect(pipWords(output, ['s3cr3t-value'])).toBe(
    '401 Error, Credentials not correct for https://…@index.example/simple/a/?…; the key is … red',
  );
});

describe('why no file was found', () => {
  const output = 'ERROR: No matching distribution found for My_Leaf>=1';
  test.each([
    ['Skipping link: No sources permitted for my-leaf: http://x/my_leaf-1.0.tar.gz', 'source'],
    [
      "Skipping link: none of the wheel's tags (cp311-cp311-win_amd64) are compatible (run pip debug): http://x/my_leaf-1.0-cp311-cp311-win_amd64.whl",
      'platform',
    ],
    [
      "Link requires a different Python (3.11.2 not in: '>=3.13'): http://x/My.Leaf-1.0-py3-none-any.whl",
      'python',
    ],
    ['Skipping link: yanked for reason: bad: http://x/my_leaf-1.0-py3-none-any.whl', 'yanked'],
    ['Skipping link: No sources permitted for other: http://x/other-1.0.tar.gz', 'absent'],
    ['', 'absent'],
  ])('%s', (log, reason) => {
    expect(missingRequirement(output, log)).toEqual({ requirement: 'My_Leaf>=1', reason });
  });

  test('a version that the index does not have', () => {
    const versions = `(from versions: 1.0, 2.0)\n${output}`;
    expect(missingRequirement(versions, '')?.reason).toBe('version');
    expect(missingRequirement('ERROR: something else', '')).toBeUndefined();
  });
});
