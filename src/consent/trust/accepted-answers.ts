// Whether what a server has answered is what is accepted of it, in all its parts: then a host can be answered with it in the
// server's place. What was answered under the record that counts now passes as well: what is held back of it is held back again.
import type { RecordedAnswers } from '../../relay/recorded-answers.ts';
import { recordedEntries } from '../../relay/recorded-entries.ts';
import { differencesOf } from './compare.ts';
import { Listing } from './listing.ts';
import type { Described, TrustRecord } from './record.ts';

export class AcceptedAnswers {
  /** What was compared, and with which record. */
  readonly #compared = new WeakMap<
    RecordedAnswers,
    { readonly described: Described; readonly are: boolean }
  >();

  /** Whether answers say what a record has, and nothing else of what they say at all. */
  are(answers: RecordedAnswers, { described }: TrustRecord): boolean {
    const known = this.#compared.get(answers);
    if (known?.described === described) return known.are;
    const are = areAccepted(answers, described);
    this.#compared.set(answers, { described, are });
    return are;
  }
}

function areAccepted(answers: RecordedAnswers, accepted: Described): boolean {
  const said = recordedEntries(answers);
  if (said === undefined) return false;
  const listing = new Listing();
  if (said.introduction !== undefined) listing.introduce(said.introduction, accepted.introduction);
  for (const [kind, entries] of said.lists) listing.add(kind, entries, [true, true], accepted[kind]);
  return differencesOf(accepted, listing).length === 0;
}
