// What kept a request from an answer, as an error for people. It names the host, never a path or query, which may hold a
// secret, nor anything that the host said.
import { EgressRefusal } from '../../egress/refusal.ts';
import { WarderError } from '../../errors.ts';

/** Codes of TLS errors that are about the certificate. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)|ALTNAME|HOSTNAME_MISMATCH/;

/** `network` errors and refusals of the gate as a WarderError; one that is so already passes. */
export function problemOf(url: URL, error: unknown): WarderError {
  if (error instanceof WarderError) return error;
  const host = url.host;
  if (error instanceof EgressRefusal) {
    const hint = hintFor(error.reason);
    return new WarderError('remote-refused', `"${host}" is not connected to: ${error.reason}`, {
      ...(hint !== undefined && { hint }),
      cause: error,
    });
  }
  const code = String((error as NodeJS.ErrnoException | undefined)?.code ?? '');
  if (CERTIFICATE.test(code)) {
    return new WarderError('remote-unreachable', `the certificate of "${host}" is not valid: ${code}`, {
      hint: 'if an authority of your own signs it, set "egress.ca" in warder.yaml',
      cause: error,
    });
  }
  const what = code !== '' ? code : error instanceof Error ? error.message : 'unknown reason';
  return new WarderError('remote-unreachable', `cannot reach "${host}": ${what}`, {
    hint: 'check the URL and the network, then try again',
    cause: error,
  });
}

/** The request has left, and there is no answer. */
export function lostAnswer(url: URL, cause?: unknown): WarderError {
  return new WarderError('remote-unreachable', `"${url.host}" ended the connection before its answer`, {
    hint: 'whether the server has done what was asked is not known: look before you try again',
    ...(cause !== undefined && { cause }),
  });
}

/** An answer that cannot be used; `what` says why, and follows the host's name. */
export function badAnswer(url: URL, what: string): WarderError {
  return new WarderError('remote-unreachable', `"${url.host}" ${what}`, {
    hint: 'the server, or something on the way to it, does not speak HTTP as it should',
  });
}

function hintFor(reason: string): string | undefined {
  if (reason.includes('loopback')) return 'for a server on this machine set "insecure-loopback: true"';
  const [, address] = /^resolves to ([0-9a-f.:]+), /.exec(reason) ?? [];
  if (address === undefined) return undefined;
  if (reason.includes('metadata'))
    return 'this address hands out credentials of the machine: nothing but its own range opens it';
  return `if it is a server of yours, list its range in "allow-private", as in ${address}/${address.includes(':') ? 128 : 32}`;
}
