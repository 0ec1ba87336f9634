// Names of tools, resources and prompts that can be rules as they are.

/** The longest name that a rule can have, in characters. */
const MAX_RULE = 256;

/** Whether a rule can have a name, and means it alone: no pattern, and nothing that is not shown. */
export function canBeRule(name: string): boolean {
  return (
    name !== '' &&
    name !== '__proto__' &&
    name.length <= MAX_RULE &&
    !/[*?]/.test(name) &&
    !/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u.test(name)
  );
}
