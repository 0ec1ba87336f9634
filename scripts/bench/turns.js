// Measures ways in turns (one, two, three, one, …), so that other load on the machine affects all of them alike.

/**
 * Samples by way of `rounds` rounds. `ways`: by name, what takes one sample; one that takes long may be `{take, every}`, and
 * has its turn in each `every`th round only.
 */
export async function inTurns(rounds, ways) {
  const all = Object.entries(ways).map(([name, way]) =>
    typeof way === 'function' ? { name, take: way, every: 1 } : { name, ...way },
  );
  const taken = Object.fromEntries(all.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, take, every } of all) if (round % every === 0) taken[name].push(await take());
  }
  return taken;
}

/** So many samples, one after the other. */
export async function inARow(count, take) {
  const taken = [];
  while (taken.length < count) taken.push(await take());
  return taken;
}

/** Of samples that were taken some at a time, all of them, by name. */
export function flat(taken) {
  return Object.fromEntries(Object.entries(taken).map(([name, blocks]) => [name, blocks.flat()]));
}
