// The state of the vault, the last that the daemon has written or seen: an older file in its place is noticed. The digest is
// the SHA-256 of its file, hex.

export interface VaultMark {
  readonly vault_counter?: number;
  readonly vault_digest?: string;
}
