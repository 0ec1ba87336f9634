// What a server has listed, in a form that only equal values share: to be compared with what it lists later, and to be
// shown to people.
import { digest, exactForm } from '../json/digest.ts';

/** A JSON value. */
export interface Canonical {
  /** `sha256:<hex>` of its text. */
  readonly digest: string;
  /**
   * Its RFC 8785 canonical form, but for numbers, which keep their spelling. Of a value that is too long for that, or has a
   * member twice, the text as it came.
   */
  readonly text: string;
}

/** `json` is JSON and UTF-8. */
export function canonicalOf(json: Buffer): Canonical {
  const text = exactForm(json);
  return text === undefined
    ? { digest: digest(json), text: json.toString() }
    : { digest: digest(text), text };
}

export { digest };
