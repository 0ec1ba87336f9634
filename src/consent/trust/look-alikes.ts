// Names that people take for each other: they differ in case, in Unicode form, in characters that show nothing, or in
// letters of other scripts that look alike. A mark for people, never a decision.
import { escapeCharacter } from '../../audit/printable.ts';
import { skeletonOf } from '../../policy/skeleton.ts';

/** Names of servers, found by what they look like. */
export class LookAlikes {
  /** By skeleton: the names, each with where it is. */
  readonly #names = new Map<string, Map<string, string>>();

  /** `where` is for people: the profile. */
  add(name: string, where: string): void {
    const skeleton = skeletonOf(name);
    const alike = this.#names.get(skeleton);
    if (alike === undefined) this.#names.set(skeleton, new Map([[name, where]]));
    else if (!alike.has(name)) alike.set(name, where);
  }

  /** What people are told of a name that looks like another; undefined of one that does not. */
  markOf(name: string): string | undefined {
    const other = this.of(name);
    if (other === undefined) return undefined;
    const own = spell(name);
    return `looks like ${spell(other.name)} of ${other.where}${own === name ? '' : `: it is spelled ${own}`}`;
  }

  /** Another name that looks the same, with where it is; undefined if there is none. */
  of(name: string): { readonly name: string; readonly where: string } | undefined {
    for (const [other, where] of this.#names.get(skeletonOf(name)) ?? []) {
      if (other !== name) return { name: other, where };
    }
    return undefined;
  }
}

/** A name in which each character can be told from all others. */
function spell(name: string): string {
  return name.replace(/[^\x21-\x7e]/gu, (character) => escapeCharacter(character));
}
