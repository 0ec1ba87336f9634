// What a session's authorizer does before, and once, the user has agreed that its host program uses the server.
import { describe, expect, test } from 'vitest';
import { WarderError } from '../../../src/errors.ts';
import { AgreedAuthorizer, type Agreement } from '../../../src/remote/agreement.ts';
import type { Authorized, Authorizer, RefusedAnswer } from '../../../src/remote/authorizer.ts';

const TOKEN = 'tok_0123456789abcdef';

class FakeAgreement implements Agreement {
  isAgreed = false;
  /** Issuers that are not agreed to. */
  readonly refused = new Set<string>();
  readonly issuers: string[] = [];
  #listener: () => void = () => {};

  issuedBy(issuer: string): void {
    this.issuers.push(issuer);
    if (this.refused.has(issuer)) this.agree(false);
  }

  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  agree(isAgreed: boolean): void {
    this.isAgreed = isAgreed;
    this.#listener();
  }
}

/** An authorizer that notes what it is asked. */
function inner(issuer: string) {
  const asked: string[] = [];
  const authorized: Authorized = {
    headers: { authorization: `Bearer ${TOKEN}` },
    mark: { credential: 'oauth/demo', version: '1', issuer, token: 'sha256:0' },
  };
  const authorizer: Authorizer = {
    state: 'ready',
    onChange: () => {},
    authorize: async () => {
      asked.push('authorize');
      return authorized;
    },
    refused: async () => {
      asked.push('refused');
      return 'again';
    },
    signIn: async () => {
      asked.push('signIn');
      return 'ready';
    },
    answered: () => {},
    values: () => [TOKEN],
    [Symbol.dispose]: () => void asked.push('disposed'),
  };
  return { asked, authorizer, authorized };
}

const request = {
  method: 'POST',
  url: new URL('https://mcp.example.com'),
  signal: new AbortController().signal,
};
const refusal = { ...request, status: 401, headers: new Headers() } as unknown as RefusedAnswer;

describe('W-REM-40 before the user has agreed that a host program uses a server', () => {
  test('nothing is authorized, no refusal is answered, and nobody is asked to sign in', async () => {
    const { asked, authorizer } = inner('https://id.example.com');
    const agreed = new AgreedAuthorizer('demo', authorizer, new FakeAgreement());
    expect(agreed.state).toBe('unasked');
    await expect(agreed.authorize(request)).rejects.toMatchObject({
      code: 'refused',
      hint: expect.stringContaining('asked'),
    });
    expect(await agreed.refused(refusal)).toBeInstanceOf(WarderError);
    const signIn = { call: '', signal: request.signal, waits: () => {} };
    expect(await agreed.signIn(signIn)).toBeInstanceOf(WarderError);
    expect(asked).toEqual([]);
    // What passes is free of it all the same.
    expect(agreed.values()).toEqual([TOKEN]);
  });

  test('and once it is so all of it goes on, until it is so no more', async () => {
    const { asked, authorizer, authorized } = inner('https://id.example.com');
    const agreement = new FakeAgreement();
    const agreed = new AgreedAuthorizer('demo', authorizer, agreement);
    const states: string[] = [];
    agreed.onChange(() => states.push(agreed.state));
    agreement.agree(true);
    expect(await agreed.authorize(request)).toBe(authorized);
    expect(await agreed.refused(refusal)).toBe('again');
    agreement.agree(false);
    await expect(agreed.authorize(request)).rejects.toMatchObject({ code: 'refused' });
    expect(states).toEqual(['ready', 'unasked']);
    expect(asked).toEqual(['authorize', 'refused']);
    agreed[Symbol.dispose]();
    expect(asked.at(-1)).toBe('disposed');
  });

  test('a token of an issuer that is not agreed to goes nowhere', async () => {
    const { authorizer } = inner('https://evil.example');
    const agreement = new FakeAgreement();
    agreement.refused.add('https://evil.example');
    agreement.agree(true);
    const agreed = new AgreedAuthorizer('demo', authorizer, agreement);
    await expect(agreed.authorize(request)).rejects.toMatchObject({ code: 'refused' });
    expect(agreement.issuers).toEqual(['https://evil.example']);
  });
});
