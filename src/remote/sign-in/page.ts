// What the browser shows when it comes back: a few words, and nothing else. No script, no load, no link, no value of the
// request: what is in the address never is in the page.

export interface Page {
  readonly status: number;
  readonly title: string;
  readonly text: string;
}

export const PAGES = {
  signedIn: { status: 200, title: 'Signed in', text: 'You may close this page.' },
  failed: {
    status: 400,
    title: 'Not signed in',
    text: 'The sign-in has failed. Warder says why where it was started. You may close this page.',
  },
  denied: {
    status: 200,
    title: 'Not signed in',
    text: 'The sign-in was refused. You may close this page.',
  },
  used: { status: 410, title: 'Over', text: 'This sign-in is over. You may close this page.' },
  refused: { status: 400, title: 'Nothing here', text: 'This is no answer to a sign-in.' },
  missing: { status: 404, title: 'Nothing here', text: 'There is nothing at this address.' },
} as const satisfies Record<string, Page>;

/** HTML of fixed texts: nothing of a request may be in them. */
export function renderPage({ title, text }: Page): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${title} - Warder</title></head>
<body><h1>${title}</h1><p>${text}</p></body>
</html>
`;
}

export function pageHeaders(): Readonly<Record<string, string>> {
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy':
      "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    connection: 'close',
  };
}
