// Draws figures as bars: one SVG without scripts, fonts or anything else from outside. It is readable on light and on dark
// pages, and says in its title and description what it shows to those who do not see it.

const WIDTH = 760;
const LABELS = 250;
const VALUES = 150;
const BAR = 18;
const STEP = 27;
const TOP = 34;

const STYLE = `text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#1f2328}
.head{font-weight:600;font-size:15px}.note{fill:#59636e;font-size:12px}.axis{stroke:#d1d9e0}
.whisker{stroke:#1f2328;stroke-width:1.4}.plain{fill:#8c959f}.warder{fill:#1a7f64}.other{fill:#c08a3e}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note{fill:#9198a1}.axis{stroke:#3d444d}.whisker{stroke:#e6edf3}
.plain{fill:#656c76}.warder{fill:#3fb68b}.other{fill:#b98530}}`;

/**
 * The text of a picture. `bars`: each `{label, value, low?, high?, kind}`, where `low` and `high` are quartiles, drawn as a
 * whisker, and `kind` is `plain`, `warder` or `other`; `show` writes an amount with its unit; `note` says which way is better.
 */
export function plot({ title, note, bars, show }) {
  if (bars.length === 0) throw new Error(`nothing to draw in "${title}"`);
  const most = Math.max(...bars.map(({ value, high = value }) => Math.max(value, high)));
  const room = WIDTH - LABELS - VALUES;
  const scale = (value) => (most > 0 ? (Math.max(value, 0) / most) * room : 0);
  const at = (value) => number(LABELS + scale(value));
  const height = TOP + bars.length * STEP + 26;
  const rows = bars.map((bar, index) => row(bar, TOP + index * STEP, { scale, at, show }));
  const description = bars.map(({ label, value }) => `${label}: ${show(value)}`).join('; ');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title description">
<title id="title">${escaped(title)}</title>
<desc id="description">${escaped(description)}</desc>
<style>${STYLE}</style>
<text class="head" x="0" y="18">${escaped(title)}</text>
<line class="axis" x1="${LABELS}" x2="${LABELS}" y1="${TOP - 4}" y2="${height - 24}"/>
${rows.join('\n')}
<text class="note" x="0" y="${height - 6}">${escaped(note)}</text>
</svg>
`;
}

function row({ label, value, low, high, kind }, y, { scale, at, show }) {
  const middle = y + BAR / 2;
  const text = middle + 4.5;
  const end = LABELS + scale(Math.max(value, high ?? value));
  const whisker =
    low === undefined || high === undefined
      ? ''
      : `<path class="whisker" fill="none" d="M${at(low)} ${middle - 4}v8m0-4H${at(high)}m0-4v8"/>`;
  return [
    `<text x="${LABELS - 8}" y="${text}" text-anchor="end">${escaped(label)}</text>`,
    `<rect class="${kind}" x="${LABELS}" y="${y}" width="${number(Math.max(scale(value), 1))}" height="${BAR}" rx="2"/>`,
    whisker,
    `<text x="${number(end + 8)}" y="${text}">${escaped(show(value))}</text>`,
  ].join('');
}

/** At most one digit behind the point. */
const number = (value) => String(Math.round(value * 10) / 10);

function escaped(text) {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
