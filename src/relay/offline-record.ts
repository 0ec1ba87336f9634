// What is known of a server from before, each part as JSON text: with it a host is answered while no request may go to the
// server.

export interface OfflineRecord {
  /** Undefined where nothing is known of it. */
  readonly serverInfo: string | undefined;
  readonly instructions: string | undefined;
  readonly capabilities: string | undefined;
  /** The entries of its lists. */
  readonly tools: readonly string[];
  readonly prompts: readonly string[];
  readonly resources: readonly string[];
  readonly templates: readonly string[];
}
