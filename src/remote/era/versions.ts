// Which revisions of the protocol a server says that it speaks.
import { memberIn, type Range, readElements, whole } from '../../json/read.ts';
import { BAD_VERSION } from './messages.ts';
import { textOf } from './objects.ts';
import type { OwnAnswer } from './own-requests.ts';
import { shortText } from './protocol.ts';

/** How many are read. */
const MAX_VERSIONS = 100;

/** The versions that an answer to `server/discover` names; undefined where it names none. */
export function supportedVersions(answer: OwnAnswer): string[] | undefined {
  if ('result' in answer) {
    const { result } = answer;
    return listOf(result, memberIn(result, whole(result), 'supportedVersions'));
  }
  const { error } = answer;
  const code = memberIn(error, whole(error), 'code');
  if (code === undefined || textOf(error, code).toString() !== String(BAD_VERSION)) return undefined;
  return listOf(error, memberIn(error, memberIn(error, whole(error), 'data'), 'supported'));
}

function listOf(bytes: Buffer, list: Range | undefined): string[] | undefined {
  if (list === undefined) return undefined;
  const found: string[] = [];
  for (const each of readElements(bytes, list.start, list.end)) {
    const version = shortText(bytes, each);
    if (version !== undefined && found.length < MAX_VERSIONS) found.push(version);
  }
  return found;
}
