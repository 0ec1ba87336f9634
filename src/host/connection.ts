// Where a connection string leads: `postgresql://user:password@db.example.com:5432/shop`. Its user and password stay out.
import { parseNetworkHost } from '../profile/host.ts';

/** The port of each scheme where the string names none. */
const PORTS: Readonly<Record<string, number>> = {
  postgres: 5432,
  postgresql: 5432,
  mysql: 3306,
  mariadb: 3306,
  mongodb: 27017,
  redis: 6379,
  rediss: 6379,
  amqp: 5672,
  amqps: 5671,
  mssql: 1433,
  sqlserver: 1433,
};

/** The hosts of a connection string as entries of `sandbox.network`; none for what is no such string. */
export function connectionHosts(value: string): string[] {
  const [, scheme = '', authority = ''] = /^([a-z]+):\/\/([^/?#]*)/i.exec(value.trim()) ?? [];
  const usual = Object.hasOwn(PORTS, scheme.toLowerCase()) ? PORTS[scheme.toLowerCase()] : undefined;
  if (usual === undefined) return [];
  const hosts = authority.slice(authority.lastIndexOf('@') + 1).split(',');
  return [
    ...new Set(
      hosts.flatMap((text) => {
        const host = text.toLowerCase();
        const entry = host.includes(':') ? host : `${host}:${usual}`;
        try {
          parseNetworkHost(entry);
        } catch {
          return [];
        }
        return entry.includes('*') ? [] : [entry];
      }),
    ),
  ];
}
