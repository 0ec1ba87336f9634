// What people are asked and answer, and what they have accepted of a server.

/** A person is asked about a request. Recorded before anything is shown. */
export interface ConsentAsk {
  readonly session: string;
  readonly profile: string;
  /** The request; the calls that join it later have their own records. A credential may be used outside of any. */
  readonly call?: string;
  /** The question's number; unique while the daemon runs. */
  readonly question: string;
  /** The host program: the path of its executable or script. */
  readonly host: string;
  /** `tools`, `resources`, `prompts`, `methods`, `server`, `profile` or `credential`, and what of it. */
  readonly kind: string;
  readonly name: string;
  readonly rule: string;
  /** `sha256:<hex>` of the arguments as they were shown. */
  readonly arguments: string;
}

/** A question has ended. */
export interface ConsentAnswer {
  readonly session: string;
  readonly profile: string;
  readonly call?: string;
  readonly question: string;
  readonly decision: 'allow' | 'deny';
  /** `grant.<id>`, `consent.<question>`, `consent.nobody`, `consent.timeout`, `consent.withdrawn`. */
  readonly rule: string;
  /** The way by which it was answered; `nobody`. */
  readonly by: string;
  /** For how long, and for what: of an answer of a person. */
  readonly scope?: string;
  readonly extent?: string;
  /** How many requests waited for it. */
  readonly calls: number;
}

/** An answer that held for more than one request holds no more: it was taken back, or its profile was removed. */
export interface ConsentRevoke {
  readonly profile: string;
  /** The eight digits of `grant.<id>`. */
  readonly grant: string;
  /** What the answer was. */
  readonly decision: 'allow' | 'deny';
  readonly host: string;
  readonly kind: string;
  /** What it was for: a name, or a pattern of names. */
  readonly name: string;
}

/**
 * Something that is trusted has changed, or is trusted from now on. `package`: the files of a pinned package. `record`: what the
 * user has accepted of a server, as a whole. The others are what is held back of a server: what runs, what it says of itself
 * (`introduction`), an entry of a list, the contents of a `ui://` resource.
 */
export interface TrustChange {
  readonly profile: string;
  readonly session?: string;
  readonly what:
    | 'package'
    | 'record'
    | 'server'
    | 'permissions'
    | 'introduction'
    | 'tools'
    | 'prompts'
    | 'resources'
    | 'templates'
    | 'contents';
  /** The pinned package. */
  readonly package?: string;
  /** `sha256:<hex>` of the package's tree as it was locked. */
  readonly digest?: string;
  /** Which files, in the words of the refusal; that more is held back than has records of its own. */
  readonly detail?: string;
  /** What is held back, or pinned: a tool's name, a URI, the files that run. */
  readonly name?: string;
  /** `sha256:<hex>` of it as it was accepted, and as it is; of a record, of the one before. */
  readonly before?: string;
  readonly after?: string;
  /** `sha256:<hex>` that names the record: the one that holds, or that is accepted. */
  readonly record?: string;
  /** How it was accepted: `terminal`, `setting`, `undo`, … */
  readonly by?: string;
  /** The host program for which it was accepted. */
  readonly host?: string;
  readonly outcome: 'refused' | 'held' | 'pinned' | 'accepted' | 'forgotten';
}
