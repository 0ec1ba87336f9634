// A plan in words that a person can check, for a server that is not started.
import { gather, type Request } from './plan/inspect.ts';
import { Held } from './plan/path-handles.ts';
import { plan as planOf } from './plan/plan.ts';
import { type Outline, outline } from './summary.ts';

/** What a server will find in its sandbox. Made as a start makes it, and let go of. Throws as a start does. */
export function explain(request: Request): Outline {
  using held = new Held();
  return outline(planOf(gather(request, held)));
}
