/** The name by which `warder test` introduces itself to a server: what it asks is for the server itself. */
export const TRIAL_CLIENT = 'warder test';
