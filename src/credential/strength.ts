// How hard a value is to meet by chance: an estimate, in bits, of the choices that made it. Words, sequences and
// repetitions count little for their length, so that "postgres" or "12345678" is told from a token. No list of words:
// letters that can be pronounced count as a word.

/** A value below this is found by chance: in names, numbers and prose. */
const MIN_BITS = 36;
/** A letter of a word, after Shannon ("Prediction and entropy of printed English", 1951), rounded up. */
const WORD_LETTER = 2;
const STEP = 1;
const DIGIT = Math.log2(10);
const LETTER = Math.log2(26);
const EITHER_CASE = Math.log2(52);
const MARK = 3;

/** Whether a value is a common word or too simple: it also stands where it is no secret. */
export function isGuessable(value: string): boolean {
  return bitsOf(value) < MIN_BITS;
}

/** The bits of a value, at most `MIN_BITS` or a little more. */
function bitsOf(value: string): number {
  const hasBoth = /[a-z]/.test(value) && /[A-Z]/.test(value);
  const hexOnly = /^[0-9a-f-]{16,}$/i.test(value);
  const letter = hasBoth ? EITHER_CASE : LETTER;
  let bits = 0;
  let words = new Set<string>();
  for (const [run] of value.matchAll(/[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^A-Za-z0-9]+/g)) {
    if (bits >= MIN_BITS) break;
    if (words.has(run)) {
      bits += STEP;
      continue;
    }
    words = words.add(run);
    if (/^[^A-Za-z0-9]/.test(run)) bits += MARK * new Set(run).size;
    else if (!hexOnly && isWord(run)) bits += WORD_LETTER * run.length;
    else bits += steps(run, /^[0-9]/.test(run) ? DIGIT : letter);
  }
  return bits;
}

/** Letters that can be pronounced: a vowel, and no more than four consonants in a row. */
function isWord(run: string): boolean {
  return run.length >= 3 && /^[A-Za-z]+$/.test(run) && /[aeiouy]/i.test(run) && !/[^aeiouy]{5}/i.test(run);
}

/** Each character counts fully, but for one that continues a sequence ("1234", "dcba") or a repetition. */
function steps(run: string, each: number): number {
  let bits = each;
  for (let at = 1; at < run.length; at++) {
    const step = run.charCodeAt(at) - run.charCodeAt(at - 1);
    bits += Math.abs(step) <= 1 ? STEP : each;
  }
  return bits;
}
