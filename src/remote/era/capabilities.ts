// What hosts and servers say that they can do, from one era to the other. What neither era knows passes as it is.
import { memberIn, type Range, readMember, whole } from '../../json/read.ts';
import { type Changes, changed, EMPTY, textOf, UNNAMED } from './objects.ts';
import { ELICIT, ROOTS, SAMPLE, shortText, TASKS } from './protocol.ts';

const OPEN = 0x7b;
const TRUE = 0x74;

/** Of a host of either era, as the other has it: roots are asked for anew each time, and tasks are not translated. */
export function clientForOther(capabilities: Buffer): Buffer {
  return translated(capabilities, {
    tasks: undefined,
    ...(has(capabilities, 'roots') ? { roots: EMPTY } : {}),
    ...withoutTasks(capabilities),
  });
}

/** Of a server of either era, as the other has it. Tasks are not translated, so that nobody is offered them. */
export function serverForOther(capabilities: Buffer): Buffer {
  return translated(capabilities, { tasks: undefined, ...withoutTasks(capabilities) });
}

/** Whether a server says that a list of its may change, or that resources can be subscribed to. */
export function serverOffers(
  capabilities: Buffer,
  kind: 'tools' | 'prompts' | 'resources',
  what: 'listChanged' | 'subscribe',
): boolean {
  const value = memberIn(capabilities, memberIn(capabilities, whole(capabilities), kind), what);
  return value !== undefined && capabilities[value.start] === TRUE;
}

/** Whether a capability is there at all. */
export function has(capabilities: Buffer, name: string): boolean {
  const value = memberIn(capabilities, whole(capabilities), name);
  return value !== undefined && capabilities[value.start] === OPEN;
}

/** What a host lacks for a request of the server; undefined: it has declared all that it takes. */
export function lacking(
  capabilities: Buffer,
  method: string,
  bytes: Buffer,
  params: Range | undefined,
): string | undefined {
  if (method === ROOTS) return has(capabilities, 'roots') ? undefined : 'roots';
  if (method === SAMPLE) {
    const sampling = memberIn(capabilities, whole(capabilities), 'sampling');
    if (sampling === undefined || capabilities[sampling.start] !== OPEN) return 'sampling';
    const usesTools = ['tools', 'toolChoice'].some(
      (name) => params !== undefined && readMember(bytes, params.start, params.end, name) !== 'absent',
    );
    return usesTools && memberIn(capabilities, sampling, 'tools') === undefined
      ? 'sampling.tools'
      : undefined;
  }
  if (method !== ELICIT) return 'a request of this kind';
  const elicitation = memberIn(capabilities, whole(capabilities), 'elicitation');
  if (elicitation === undefined || capabilities[elicitation.start] !== OPEN) return 'elicitation';
  const form = memberIn(capabilities, elicitation, 'form');
  const url = memberIn(capabilities, elicitation, 'url');
  if (isUrlMode(bytes, params)) return url === undefined ? 'elicitation.url' : undefined;
  // `{}` has always meant forms.
  return form === undefined && url !== undefined ? 'elicitation.form' : undefined;
}

/** Whether what is asked for is a visit to a URL. */
export function isUrlMode(bytes: Buffer, params: Range | undefined): boolean {
  return shortText(bytes, memberIn(bytes, params, 'mode')) === 'url';
}

function withoutTasks(capabilities: Buffer): Changes {
  const extensions = memberIn(capabilities, whole(capabilities), 'extensions');
  if (extensions === undefined) return {};
  const left = changed(capabilities, extensions, { [TASKS]: undefined });
  if (left === undefined) return {};
  return { extensions: left.equals(EMPTY) ? undefined : left };
}

function translated(capabilities: Buffer, changes: Changes): Buffer {
  return changed(capabilities, whole(capabilities), changes) ?? EMPTY;
}

/** What a host is and can do, from its `initialize`, as the stateless era has it. */
export function hostOf(bytes: Buffer, params: Range | undefined): { info: Buffer; capabilities: Buffer } {
  const info = memberIn(bytes, params, 'clientInfo');
  const capabilities = memberIn(bytes, params, 'capabilities');
  return {
    info: Buffer.from(info === undefined ? UNNAMED : textOf(bytes, info)),
    capabilities: capabilities === undefined ? EMPTY : clientForOther(textOf(bytes, capabilities)),
  };
}
