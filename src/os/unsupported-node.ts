// Warder relies on a few parts of Node that have no documented form. Each stands in one file with a self-test, which
// throws this error on a Node where the part works differently.
import { WarderError } from '../errors.ts';

/** `part` completes the sentence "this Node does not ...". */
export function unsupportedNode(part: string): WarderError {
  return new WarderError('unsupported', `Node ${process.version} is not supported: it does not ${part}`, {
    hint: 'install the version of Node that this version of Warder names',
  });
}
