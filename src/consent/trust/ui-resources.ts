// `ui://` resources: what a host shows as an interface of the server. A server need not list them: a tool names its own
// (`_meta.ui.resourceUri`, before that `_meta["ui/resourceUri"]`), and a template stands for many.
import { isInterface } from '../../relay/listed-kinds.ts';
import type { Part } from './record.ts';

/** The resources that tools name. */
export function namedResources(tools: Iterable<Part>): ReadonlySet<string> {
  const named = new Set<string>();
  for (const { text } of tools) {
    if (text?.includes('ui:') !== true) continue;
    try {
      const { _meta: meta } = JSON.parse(text) as {
        _meta?: { ui?: { resourceUri?: unknown }; 'ui/resourceUri'?: unknown };
      };
      for (const uri of [meta?.ui?.resourceUri, meta?.['ui/resourceUri']]) {
        if (typeof uri === 'string' && isInterface(uri)) named.add(uri);
      }
    } catch {
      // No definition of a tool: it names nothing.
    }
  }
  return named;
}

/** Whether a URI begins as all of a template do (RFC 6570), which is of `ui://` itself. */
export function startsLikeTemplate(uri: string, template: string): boolean {
  const [fixed = ''] = template.split('{', 1);
  return /^ui:\/\/[^/]+\//i.test(fixed) && uri.startsWith(fixed) && !uri.includes('/../');
}
