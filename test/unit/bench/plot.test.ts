import fc from 'fast-check';
import { expect, test } from 'vitest';
import { plot } from '../../../scripts/bench/plot.js';

const picture = {
  title: 'One call',
  note: 'less is better',
  show: (value: number) => `${value} ms`,
  bars: [
    { label: 'direct', value: 10, low: 8, high: 12, kind: 'plain' },
    { label: 'Warder', value: 20, low: 15, high: 40, kind: 'warder' },
  ],
};

/** The attributes of all elements of a kind. */
function elements(svg: string, name: string): { [attribute: string]: string }[] {
  return [...svg.matchAll(new RegExp(`<${name} ([^>]*?)/?>`, 'g'))].map(([, attributes = '']) =>
    Object.fromEntries([...attributes.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, key, value]) => [key, value])),
  );
}

test('bars are as long as their values, and the whisker reaches from quartile to quartile', () => {
  const svg = plot(picture);
  const [direct, warder] = elements(svg, 'rect').map(({ width }) => Number(width));
  expect(warder).toBe(2 * Number(direct));
  // The longest whisker takes the whole room: 40 ms are 360 units.
  expect(direct).toBe(90);
  const [, whisker] = elements(svg, 'path');
  expect(whisker?.d).toMatch(/^M385 .*H610m/);
});

test('what is shown is said in the title and the description, for those who do not see it', () => {
  const svg = plot(picture);
  expect(svg).toContain('role="img" aria-labelledby="title description"');
  expect(svg).toContain('<title id="title">One call</title>');
  expect(svg).toContain('<desc id="description">direct: 10 ms; Warder: 20 ms</desc>');
});

test('it needs nothing from outside, and has colours for dark pages', () => {
  const svg = plot(picture);
  expect(svg).not.toMatch(/<script|href|url\(|@import/);
  expect(svg).toContain('@media(prefers-color-scheme:dark)');
});

test('labels of any text leave the picture whole', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (label, title) => {
      const svg = plot({ ...picture, title, bars: [{ label: `<&"${label}`, value: 1, kind: 'other' }] });
      expect(svg.match(/<(?=[a-z])/g)).toHaveLength(svg.match(/<\/[a-z]|\/>/g)?.length ?? 0);
      expect(svg).toContain('&lt;&amp;&quot;');
    }),
  );
});

test('a value of nothing has a bar that is seen, and a negative one none below the axis', () => {
  const bars = [0, -5].map((value) => ({ label: 'x', value, kind: 'plain' }));
  expect(elements(plot({ ...picture, bars }), 'rect').map(({ width }) => width)).toEqual(['1', '1']);
  expect(() => plot({ ...picture, bars: [] })).toThrow('nothing to draw in "One call"');
});
