/** What the gate refuses. It is told to the log and never reaches a command line; `reason` holds no secret. */
export class EgressRefusal extends Error {
  override readonly name = 'EgressRefusal';
  readonly reason: string;

  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}
