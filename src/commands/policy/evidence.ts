// What the audit log says of the calls of a profile: how often each tool, resource and prompt was called, and who allowed
// or refused it. Pure: the caller reads the log.
import type { LogRecord } from '../../audit/read.ts';
import type { RulePart } from '../../profile/rule-edit.ts';

type Entry = LogRecord['entry'];

/** The calls of one tool, resource or prompt. */
export interface Evidence {
  readonly part: RulePart;
  readonly name: string;
  /** All calls, refused ones too. */
  calls: number;
  /** Calls that the policy allowed or refused by itself, by rule. */
  readonly byPolicy: Map<string, number>;
  /** Calls that went on by an answer of a person, and the answers. */
  allowed: number;
  readonly yes: Set<string>;
  /** A yes was for the tool, not for one call or its arguments. */
  isYesForName: boolean;
  /** Calls that a person has refused, and the answers. */
  refused: number;
  readonly no: Set<string>;
  /** A no holds for good, or for a session. */
  isNoForName: boolean;
  /** Calls that nobody was there to decide on. */
  unanswered: number;
  /** How people answered, and in which host programs it was asked. */
  readonly ways: Set<string>;
  readonly hosts: Set<string>;
}

/** An answer of a person, as `consent.answer` records it. */
interface Answer {
  readonly by: string;
  readonly isForName: boolean;
}

/** The method of requests that act on a resource or prompt. */
const PARTS: Readonly<Record<string, RulePart>> = {
  'resources/read': 'resources',
  'resources/subscribe': 'resources',
  'prompts/get': 'prompts',
};

/** Outcomes of questions that no person has given. */
const NOBODY = /^consent\.(?!\d+$)/;

/** Gathers what the records of a profile say; to be called with them in their order. */
export class EvidenceBook {
  readonly #found = new Map<string, Evidence>();
  /** By session and number of the question, and by grant. */
  readonly #answers = new Map<string, Answer>();
  readonly #hosts = new Map<string, string>();

  get all(): Evidence[] {
    return [...this.#found.values()];
  }

  add(entry: Entry): void {
    const { event, session, question } = entry;
    if (event === 'consent.ask') this.#hosts.set(`${session} ${question}`, String(entry.host));
    else if (event === 'consent.answer') this.#addAnswer(entry);
    else if (event === 'tool.call') this.#addCall('tools', String(entry.tool), entry);
    else if (event === 'request') {
      const part = PARTS[String(entry.method)];
      if (part !== undefined && entry.target !== undefined) this.#addCall(part, String(entry.target), entry);
    }
  }

  #addAnswer({ session, question, by, rule, scope, extent }: Entry): void {
    if (scope === undefined) return;
    const isForName = extent !== 'arguments' && scope !== 'once';
    const answer = { by: String(by), isForName };
    this.#answers.set(`${session} ${question}`, answer);
    // A grant is used by other sessions too.
    if (String(rule).startsWith('grant.')) {
      this.#answers.set(String(rule), answer);
      const host = this.#hosts.get(`${session} ${question}`);
      if (host !== undefined) this.#hosts.set(String(rule), host);
    }
  }

  #addCall(part: RulePart, name: string, { session, decision, rule: said }: Entry): void {
    const key = JSON.stringify([part, name]);
    const evidence = this.#found.get(key) ?? emptyEvidence(part, name);
    this.#found.set(key, evidence);
    const rule = String(said);
    evidence.calls++;
    if (NOBODY.test(rule)) {
      evidence.unanswered++;
      return;
    }
    const isPerson = rule.startsWith('grant.') || rule.startsWith('consent.');
    if (!isPerson) {
      evidence.byPolicy.set(`${rule}: ${decision}`, (evidence.byPolicy.get(`${rule}: ${decision}`) ?? 0) + 1);
      return;
    }
    const id = rule.startsWith('grant.') ? rule : `${session} ${rule.slice('consent.'.length)}`;
    const answer = this.#answers.get(id);
    evidence.ways.add(answer?.by ?? 'an earlier answer');
    const host = this.#hosts.get(id);
    if (host !== undefined) evidence.hosts.add(host);
    if (decision === 'allow') {
      evidence.allowed++;
      evidence.yes.add(id);
      if (answer?.isForName === true) evidence.isYesForName = true;
    } else {
      evidence.refused++;
      evidence.no.add(id);
      if (answer?.isForName === true || (answer === undefined && rule.startsWith('grant.')))
        evidence.isNoForName = true;
    }
  }
}

function emptyEvidence(part: RulePart, name: string): Evidence {
  return {
    ...{ part, name, calls: 0, byPolicy: new Map(), allowed: 0, yes: new Set(), isYesForName: false },
    ...{ refused: 0, no: new Set(), isNoForName: false, unanswered: 0, ways: new Set(), hosts: new Set() },
  };
}
