// What in a text of a server looks as if it was written for a model and not for a person. Marks for people who read it:
// nothing is decided by them, and a text without a mark may mean as much.

/** A pattern, and what it is called. */
interface Sign {
  readonly says: string;
  readonly pattern: RegExp;
}

/** Each is linear in the length of the text. */
const SIGNS: readonly Sign[] = [
  {
    says: 'hidden characters',
    pattern: /[\p{Cf}\p{Co}\p{Cn}\u2028\u2029]|\p{Default_Ignorable_Code_Point}/u,
  },
  { says: 'control characters', pattern: /(?![\t\n\r])\p{Cc}/u },
  {
    says: 'tells a model to ignore or forget',
    pattern:
      /\b(?:ignore|disregard|forget|override)\b[^.\n]{0,40}\b(?:previous|prior|above|earlier|all|other|any|system|instructions?|rules?|polic(?:y|ies))\b/iu,
  },
  {
    says: 'asks to keep something from the user',
    pattern:
      /\b(?:do not|don['’]?t|never|without)\b[^.\n]{0,40}\b(?:tell|mention|inform|notify|show|reveal|ask|telling|mentioning|informing|notifying|showing|asking)\b[^.\n]{0,40}\b(?:users?|humans?|person|anyone|this|it)\b/iu,
  },
  {
    says: 'a tag such as <IMPORTANT>',
    pattern:
      /<\/?\s*(?:important|system|instructions?|secret|admin|assistant|user|human|critical|hidden)\s*>/iu,
  },
  {
    says: 'orders what is to be called first',
    pattern:
      /\b(?:before|prior to)\b[^.\n]{0,20}\b(?:using|calling|running|any|each|every)\b[^.\n]{0,60}\b(?:must|always|call|read|use|first)\b|\b(?:must|always)\b[^.\n]{0,30}\b(?:call|invoke|use|read|include|send|pass|add)\b/iu,
  },
  {
    says: 'speaks to a model',
    pattern:
      /\b(?:as an ai|you are (?:an?|the|now)|system prompt|your (?:instructions|system|context|conversation)|conversation history|chat history|previous messages)\b/iu,
  },
  {
    says: 'names private files',
    pattern:
      /~\/\.[\w-]|\.ssh\b|\bid_(?:rsa|ed25519|ecdsa)\b|\.aws\b|\.gnupg\b|\.kube\b|\.env\b|\/etc\/(?:passwd|shadow)|\bmcp\.json\b|claude_desktop_config/iu,
  },
  {
    says: 'speaks of keys, tokens or passwords',
    pattern: /\b(?:api[ _-]?keys?|private keys?|access tokens?|passwords?|credentials?|secrets?)\b/iu,
  },
  { says: 'has an address', pattern: /\b(?:https?|wss?|ftp|data|file):[^\s"'<>]{3}/iu },
  { says: 'a long block of base64 or hex', pattern: /[A-Za-z0-9+/_-]{80}/u },
  { says: 'an HTML comment', pattern: /<!--/u },
];

/** Names that a text may speak of. */
export interface Names {
  has(name: string): boolean;
}

/** What a definition looks like: all texts in it, but for the dialect of a schema. */
export function marksOfDefinition(json: string, tools: Names, own?: string): string[] {
  const texts: string[] = [];
  try {
    JSON.parse(json, (name, value: unknown) => {
      if (typeof value === 'string' && name !== '$schema') texts.push(value);
      else if (typeof value === 'object' && value !== null) texts.push(...Object.keys(value));
      return value;
    });
  } catch {
    texts.push(json);
  }
  return marksOf(texts.join('\n'), tools, own);
}

/** What a text looks like, in words; most have none. That it names another tool than `own` is a mark too. */
export function marksOf(text: string, tools: Names, own?: string): string[] {
  const marks = SIGNS.filter(({ pattern }) => pattern.test(text)).map(({ says }) => says);
  const named = new Set(text.match(/[\p{L}\p{N}_.-]+/gu)?.map((word) => word.replace(/[.-]+$/, '')) ?? []);
  const others = [...named].filter((word) => word !== own && isTelling(word) && tools.has(word));
  if (others.length > 0) marks.push(`names the tool ${others.slice(0, 3).join(', ')}`);
  return marks;
}

/** Whether a name is none of the words of a language. */
function isTelling(name: string): boolean {
  return /[_.-]|\p{Ll}\p{Lu}/u.test(name);
}
