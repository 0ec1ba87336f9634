/** What the gate refuses. It goes to the log and never to a command line; `reason` contains no secret. */
export class EgressRefusal extends Error {
  override readonly name = 'EgressRefusal';
  readonly reason: string;

  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}
