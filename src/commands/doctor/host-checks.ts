// What doctor says of the hosts' files: secrets in clear, servers outside of Warder, and entries that do not start.
import type { Check } from '../../wire/control.ts';
import type { Context } from '../command.ts';
import { copiesInClear } from '../hosts/copies.ts';
import { lookAtHosts, type ShownFile } from '../hosts/look.ts';
import { surroundingsOf } from '../hosts/surroundings.ts';
import { pluralize } from '../terminal/plural.ts';

/** One check for each host that has servers. */
export async function checkHosts(context: Context): Promise<Check[]> {
  const checks = (await lookAtHosts(context)).flatMap((file) => {
    const check = checkFile(file);
    return check === undefined ? [] : [check];
  });
  const copies = copiesInClear(surroundingsOf(process.env)).map(
    ({ title, path, secrets }): Check => ({
      name: `host ${title}`,
      state: 'warn',
      detail: `${path}: a copy that ${title} keeps has secrets in clear: ${secrets.join(', ')}`,
      hint: 'once all works, remove it; the host does not need it',
    }),
  );
  return [...checks, ...copies];
}

function checkFile({ title, path, servers, problem, dropped, scope }: ShownFile): Check | undefined {
  const name = `host ${title}`;
  const where = scope === 'project' ? `${path} (project)` : path;
  const warn = (detail: string, hint: string): Check => ({
    name,
    state: 'warn',
    detail: `${where}: ${detail}`,
    hint,
  });
  if (problem !== undefined) return { name, state: 'warn', detail: problem };
  const broken = servers.find((server) => server.problem !== undefined);
  if (broken !== undefined)
    return warn(
      `"${broken.name}" does not start: ${broken.problem}`,
      '"warder hosts" shows all, "warder connect" writes an entry anew',
    );
  const open = servers.filter(({ secrets }) => secrets.length > 0);
  if (open.length > 0) {
    const [first] = open;
    const which = `${first?.secrets.join(', ')} of "${first?.name}"${open.length > 1 ? ` and ${pluralize(open.length - 1, 'more server')}` : ''}`;
    return warn(`secrets in clear: ${which}`, '"warder import" moves them into the credential store');
  }
  if (dropped.length > 0)
    return warn(
      `${dropped.map((one) => `"${one}"`).join(', ')} that Warder wrote is gone`,
      '"warder connect" writes it again',
    );
  const own = servers.filter(({ profile }) => profile !== undefined);
  if (servers.length === 0) return undefined;
  const outside = servers.filter(({ profile, kind }) => profile === undefined && kind !== 'other').length;
  const rest = outside === 0 ? '' : `; ${pluralize(outside, 'server')} outside of it`;
  return { name, state: 'ok', detail: `${where}: ${pluralize(own.length, 'server')} through Warder${rest}` };
}
