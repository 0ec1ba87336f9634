// Why the secrets of a server cannot be sealed, so that it gets them as they are. Pure.

import { isComposed } from './plan/seal-inside.ts';
import type { PlannedLocal } from './planned.ts';

/** Undefined: they are sealed, or there are none. */
export function whyUnsealed({ credentials, wanted, hosts, knows }: PlannedLocal): string | undefined {
  if (credentials.length === 0 && wanted.length === 0) return undefined;
  if (knows.unsealable !== undefined) return knows.unsealable;
  const url = credentials.find(({ value }) => /^[a-z][a-z0-9+.-]*:\/\//i.test(value));
  if (url !== undefined) return `${url.variable} is a URL, and a placeholder would be none`;
  const composed = credentials.find(({ value }) => isComposed(value));
  if (composed !== undefined)
    return `${composed.variable} is a text that it takes apart, and a placeholder would not be one`;
  return hosts.length === 0
    ? 'which hosts it needs is not known; "warder edit" can seal it later'
    : undefined;
}
