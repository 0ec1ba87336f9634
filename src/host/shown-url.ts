// A URL with a secret as a person may see it: scheme, host and path stay, and of the rest only what is secret is hidden. Pure.
import { decoded, hasSecret, isSecretPart } from './secrets.ts';

/** What stands for a secret while the rest is searched: as if a host filled it in, which is none. */
const MARK = `\${hidden}`;
const HIDDEN = '…';
const HOSTS = /^(?:\[[0-9a-f:.]+\]|[\w.-]+)?(?::\d+)?(?:,(?:\[[0-9a-f:.]+\]|[\w.-]+)(?::\d+)?)*$/i;
/** Characters from which a hidden text that stands elsewhere in the URL is no accident. */
const MIN_REPEATED = 4;

/** Undefined: it is no URL, or nobody can say that all of its secrets are hidden. */
export function shownUrl(value: string): string | undefined {
  const [, scheme = '', before = '', rest = ''] = /^([a-z][a-z0-9+.-]*:\/\/)([^/]*)(.*)$/is.exec(value) ?? [];
  if (scheme === '') return undefined;
  const hidden: string[] = [];
  const hide = (text: string): string => {
    hidden.push(text, decoded(text));
    return MARK;
  };
  // A password may have any character but "/" and "@".
  const at = before.lastIndexOf('@');
  const [, user = '', password] = /^([^:]*):(.*)$/s.exec(before.slice(0, Math.max(at, 0))) ?? [];
  const account =
    at < 0
      ? ''
      : password === undefined
        ? `${hide(before.slice(0, at))}@`
        : `${isSecretPart('', user) ? hide(user) : user}:${hide(password)}@`;
  const [, hosts = '', behind = ''] = /^([^?#]*)(.*)$/s.exec(before.slice(at + 1)) ?? [];
  if (!HOSTS.test(hosts)) return undefined;
  const [, path = '', query, fragment] = /^([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s.exec(behind + rest) ?? [];
  const segments = path.split('/').map((one) => (isSecretPart('', one) ? hide(one) : one));
  const parameters = (text: string): string =>
    text
      .split('&')
      .map((part) => {
        const [name = '', one] = part.split(/=(.*)/s);
        if (isSecretPart('', name)) return hide(part);
        return one !== undefined && isSecretPart(name, one) ? `${name}=${hide(one)}` : part;
      })
      .join('&');
  const behindHosts = [
    segments.join('/'),
    query === undefined ? '' : `?${parameters(query)}`,
    fragment === undefined ? '' : `#${parameters(fragment)}`,
  ].join('');
  const shown = `${scheme}${account}${hosts}${behindHosts}`;
  const isLeft =
    hidden.some((text) => text.length >= MIN_REPEATED && shown.includes(text)) ||
    hasSecret(`${scheme}${hosts}${behindHosts}`);
  return isLeft ? undefined : shown.replaceAll(MARK, HIDDEN);
}
