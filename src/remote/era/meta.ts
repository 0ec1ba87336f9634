// What a message says beside its purpose: the `_meta` of its `params` or its result.
import { type Range, readMember, whole } from '../../json/read.ts';
import type { Incoming } from './messages.ts';
import { paramsOf } from './messages.ts';
import { type Changes, changed, EMPTY, objectOf, replaced, textOf } from './objects.ts';

const NULL = 0x6e;

/**
 * The message with changes to the `_meta` of its `params`, which are made where it has none. Undefined where `params` or
 * `_meta` is no object, or two readers could see two.
 */
export function withMeta({ json, envelope }: Incoming, changes: Changes): Buffer | undefined {
  const params = paramsOf(envelope);
  if (params === undefined) {
    const end = json.lastIndexOf('}');
    const added = Buffer.concat([Buffer.from(',"params":'), objectOf({ _meta: objectOf(changes) })]);
    return replaced(json, { start: end, end }, added);
  }
  const text = json[params.start] === NULL ? EMPTY : textOf(json, params);
  const edited = metaChanged(text, changes);
  return edited === undefined ? undefined : replaced(json, params, edited);
}

/** An object with changes to its `_meta`; what is left of a `_meta` without members is taken out. */
export function metaChanged(object: Buffer, changes: Changes): Buffer | undefined {
  const meta = readMember(object, 0, object.length, '_meta');
  if (meta === 'ambiguous') return undefined;
  if (meta === 'absent') {
    const added = objectOf(changes);
    return changed(object, whole(object), added.equals(EMPTY) ? {} : { _meta: added });
  }
  const edited = changed(object, meta, changes);
  if (edited === undefined) return undefined;
  if (edited.equals(EMPTY)) return changed(object, whole(object), { _meta: undefined });
  return replaced(object, meta, edited);
}

/** Where the `_meta` in a range is; undefined where there is none. */
export function metaIn(bytes: Buffer, range: Range | undefined): Range | undefined {
  if (range === undefined) return undefined;
  const meta = readMember(bytes, range.start, range.end, '_meta');
  return typeof meta === 'string' ? undefined : meta;
}
