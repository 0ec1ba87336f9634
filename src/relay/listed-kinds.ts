// The four lists of a server: how each is asked for, where its entries stand, and how a server says that they change.
import { type Keys, keysOf } from '../json/member.ts';
import type { ListedKind } from './trust.ts';

export interface ListShape {
  readonly kind: ListedKind;
  readonly method: string;
  /** The member of the result that has the entries, and the member of each that names it. */
  readonly member: 'tools' | 'prompts' | 'resources' | 'resourceTemplates';
  readonly name: Keys;
  /** The notification that it may have changed, and the member of a subscription's filter that asks for that. */
  readonly changed: string;
  readonly wanted: 'toolsListChanged' | 'promptsListChanged' | 'resourcesListChanged';
  /** The server's capability. */
  readonly capability: 'tools' | 'prompts' | 'resources';
  /** What an entry is called in messages. */
  readonly noun: string;
}

const RESOURCES = {
  changed: 'notifications/resources/list_changed',
  wanted: 'resourcesListChanged',
  capability: 'resources',
} as const;

export const LIST_SHAPES: readonly ListShape[] = [
  {
    kind: 'tools',
    method: 'tools/list',
    member: 'tools',
    name: keysOf({ name: 0 }),
    changed: 'notifications/tools/list_changed',
    wanted: 'toolsListChanged',
    capability: 'tools',
    noun: 'tool',
  },
  {
    kind: 'prompts',
    method: 'prompts/list',
    member: 'prompts',
    name: keysOf({ name: 0 }),
    changed: 'notifications/prompts/list_changed',
    wanted: 'promptsListChanged',
    capability: 'prompts',
    noun: 'prompt',
  },
  {
    kind: 'resources',
    method: 'resources/list',
    member: 'resources',
    name: keysOf({ uri: 0 }),
    noun: 'resource',
    ...RESOURCES,
  },
  {
    kind: 'templates',
    method: 'resources/templates/list',
    member: 'resourceTemplates',
    name: keysOf({ uriTemplate: 0 }),
    noun: 'resource template',
    ...RESOURCES,
  },
];

/**
 * Whether a URI is that of an interface, which a host shows and runs. The scheme has no case (RFC 3986, section 3.1), and
 * parsers of URLs leave out white space and control characters before it and in it.
 */
export function isInterface(uri: string): boolean {
  return /^ui:/i.test(uri.replace(/[\p{Cc}\p{Cf}\s]/gu, ''));
}
