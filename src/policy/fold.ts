// The folded form of a name: what a person, or a server that is lenient, takes for the same name. Compatibility
// forms (NFKC), case, white space, control and format characters, and other characters that show nothing do not
// count. Look-alikes of other scripts do: that a Cyrillic letter looks like a Latin one is not found here.

/** White space, `\p{Cc}`, `\p{Cf}`, and what renderers leave out (Hangul fillers, variation selectors, …). */
const UNSEEN = /[\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;

/** A name of these characters alone is its own folded form. */
const PLAIN = /^[a-z0-9_.:/*?~-]*$/;

/** The folded form. It may be longer than the name. */
export function fold(name: string): string {
  return PLAIN.test(name) ? name : foldCase(name.normalize('NFKC').replace(UNSEEN, '')).normalize('NFKC');
}

/** By way of upper case: U+017F becomes `s`, and U+1E9E `ss`. The last sigma of a word is one like any other. */
function foldCase(text: string): string {
  return text.toLowerCase().toUpperCase().toLowerCase().replaceAll('\u03c2', '\u03c3');
}
