// The folded form of a name: what a person, or a server that is lenient, takes for the same name. Compatibility
// forms (NFKC), case, white space, control and format characters, and other characters that show nothing do not
// count. Look-alikes of other scripts do: that a Cyrillic letter looks like a Latin one is not found here.

/** White space, `\p{Cc}`, `\p{Cf}`, and what renderers leave out (Hangul fillers, variation selectors, …). */
const UNSEEN = /[\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;

/** A name of these characters alone is its own folded form. */
const PLAIN = /^[a-z0-9_.:/*?~-]*$/;

/** The folded form. It may be longer than the name. Case goes by way of upper case: U+017F becomes `s`. */
export function fold(name: string): string {
  if (PLAIN.test(name)) return name;
  return name.normalize('NFKC').replace(UNSEEN, '').toUpperCase().toLowerCase().normalize('NFKC');
}
