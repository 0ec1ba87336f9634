// Results from one era to the other, as the schema of each demands. Values that both know stay byte for byte.

import { keysOf } from '../../json/member.ts';
import { memberIn, type Range, readElements, readMembers, whole } from '../../json/read.ts';
import { metaChanged } from './meta.ts';
import { changed, json, replaced, textOf } from './objects.ts';
import { CACHEABLE, CALL, LIST_TOOLS, SERVER, shortText } from './protocol.ts';

const OPEN = 0x7b;
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
/** JSON Schemas that mean the same as objects. */
const ANY = Buffer.from('{}');
const NONE = Buffer.from('{"not":{}}');
const COMPLETE = json('complete');
const NO_KEYS = keysOf({});

/** A complete result of the stateless era, as the session era has it. Undefined: it is no result. */
export function resultForSession(method: string, result: Buffer): Buffer | undefined {
  const hints = CACHEABLE.has(method) ? { ttlMs: undefined, cacheScope: undefined } : {};
  const plain = changed(result, whole(result), { resultType: undefined, ...hints });
  const bare = plain === undefined ? undefined : metaChanged(plain, { [SERVER]: undefined });
  if (bare === undefined) return undefined;
  if (method === LIST_TOOLS) return withOlderSchemas(bare);
  return method === CALL ? withObjectOnly(bare) : bare;
}

/** A result of the session era, as the stateless era has it. Undefined: it is no result. */
export function resultForStateless(method: string, result: Buffer): Buffer | undefined {
  const isCacheable = CACHEABLE.has(method);
  const hints = {
    ...(isCacheable && memberIn(result, whole(result), 'ttlMs') === undefined ? { ttlMs: json(0) } : {}),
    ...(isCacheable && memberIn(result, whole(result), 'cacheScope') === undefined
      ? { cacheScope: json('private') }
      : {}),
  };
  return changed(result, whole(result), { resultType: COMPLETE, ...hints });
}

/** Structured content was an object; other values are in the text beside, or become that. */
function withObjectOnly(result: Buffer): Buffer {
  const structured = memberIn(result, whole(result), 'structuredContent');
  if (structured === undefined || result[structured.start] === OPEN) return result;
  const content = memberIn(result, whole(result), 'content');
  const isEmpty =
    content === undefined || readElements(result, content.start, content.end).next().done === true;
  const text = json([{ type: 'text', text: textOf(result, structured).toString() }]);
  return (
    changed(result, whole(result), {
      structuredContent: undefined,
      ...(isEmpty ? { content: text } : {}),
    }) ?? result
  );
}

/** Tools whose schemas are as the session era has them: of objects, and made of objects. */
function withOlderSchemas(result: Buffer): Buffer {
  const tools = memberIn(result, whole(result), 'tools');
  if (tools === undefined) return result;
  const pieces: Buffer[] = [];
  let at = 0;
  for (const tool of readElements(result, tools.start, tools.end)) {
    const text = textOf(result, tool);
    const older = olderTool(text);
    if (older === text) continue;
    pieces.push(result.subarray(at, tool.start), older);
    at = tool.end;
  }
  return at === 0 ? result : Buffer.concat([...pieces, result.subarray(at)]);
}

function olderTool(tool: Buffer): Buffer {
  const output = memberIn(tool, whole(tool), 'outputSchema');
  const isOfObject = output === undefined || shortText(tool, memberIn(tool, output, 'type')) === 'object';
  const plain = isOfObject ? tool : (changed(tool, whole(tool), { outputSchema: undefined }) ?? tool);
  let older = plain;
  for (const name of ['inputSchema', 'outputSchema']) {
    const properties = memberIn(older, memberIn(older, whole(older), name), 'properties');
    if (properties !== undefined) older = withObjects(older, properties);
  }
  return older;
}

/** Schemas of properties that are `true` or `false`, as objects. */
function withObjects(tool: Buffer, properties: Range): Buffer {
  let edited = tool;
  const members = [...readMembers(tool, properties.start, properties.end, NO_KEYS)];
  for (const { value } of members.reverse()) {
    const text = textOf(tool, value);
    if (text.equals(TRUE)) edited = replaced(edited, value, ANY);
    else if (text.equals(FALSE)) edited = replaced(edited, value, NONE);
  }
  return edited;
}
