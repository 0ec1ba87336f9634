// The one way of the remote room to the network.

/**
 * As `fetch`, with these rules. Every URL is https (http only where the profile allows it, and only to loopback). Each
 * connection is dialled by the gate's dialler: addresses are judged after resolution and recorded before the first packet,
 * and the proxy and the authorities of the settings are used. A redirect is never followed: the 3xx is the response. Heads,
 * bodies (also decoded ones) and times are limited. There are no cookies and no ambient credentials. Rejects with a
 * WarderError: `remote-unreachable`, `remote-refused`.
 */
export type RemoteFetch = (url: string | URL, init?: RequestInit) => Promise<Response>;
