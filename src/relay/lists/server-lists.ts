// All that a server has listed of itself, for one session.

import { type Range, readMember } from '../../json/read.ts';
import type { Slices, Work } from '../flow/slices.ts';
import { LIST_SHAPES } from '../listed-kinds.ts';
import type { ListedKind } from '../trust.ts';
import { ServerList, type ServerListOptions } from './server-list.ts';

export interface ServerListsOptions extends Omit<ServerListOptions, 'run'> {
  readonly slices: Slices;
}

export class ServerLists {
  readonly tools: ServerList;
  readonly templates: ServerList;
  readonly #all: readonly ServerList[];
  readonly #byMethod: ReadonlyMap<string, ServerList>;
  readonly #slices: Slices;
  /** Of what is read meanwhile: how much. */
  #reading = 0;

  constructor(options: ServerListsOptions) {
    this.#slices = options.slices;
    const run: ServerListOptions['run'] = (work, then) => this.run(work, then);
    const byKind = new Map<ListedKind, ServerList>();
    for (const shape of LIST_SHAPES) byKind.set(shape.kind, new ServerList(shape, { ...options, run }));
    this.#all = [...byKind.values()];
    this.#byMethod = new Map(this.#all.map((list) => [list.shape.method, list]));
    this.tools = byKind.get('tools') as ServerList;
    this.templates = byKind.get('templates') as ServerList;
  }

  /** The list that a method asks for. */
  of(method: string): ServerList | undefined {
    return this.#byMethod.get(method);
  }

  /** Those of which other entries are held back now than when they were listed. */
  get judgedAnew(): ServerList[] {
    return this.#all.filter(({ isJudgedAnew }) => isJudgedAnew);
  }

  /** The server has notified: its lists may be others. */
  notified(method: string): void {
    for (const list of this.#all) if (list.shape.changed === method) list.invalidate();
  }

  /** Something is being read: until that is done no more is to come. */
  get isReading(): boolean {
    return this.#reading > 0;
  }

  /** Lists what a new server has of the lists that were read before. Settles with those that are others. */
  async replace(): Promise<ServerList[]> {
    const differ = await Promise.all(
      this.#all.map(async (list) => {
        if (!list.isEmpty) return (await list.replace()) ? [list] : [];
        list.invalidate();
        return [];
      }),
    );
    return differ.flat();
  }

  /**
   * Lists all that a server has that has just started. Settles with those of the lists the host has seen that are others, or
   * with why what the server offers is not known; never rejects.
   */
  async compare(): Promise<{ readonly fault: string | undefined; readonly differ: readonly ServerList[] }> {
    const compared = await Promise.all(
      this.#all.map(async (list) => {
        const wasSeen = !list.isEmpty;
        if (list.isDeclared === false && !wasSeen) return { fault: undefined, differ: [] };
        const isOther = await list.replace();
        const fault = list.isRefused && list.isDeclared !== true ? undefined : list.fault;
        return { fault, differ: wasSeen && isOther ? [list] : [] };
      }),
    );
    return {
      fault: compared.find(({ fault }) => fault !== undefined)?.fault,
      differ: compared.flatMap(({ differ }) => differ),
    };
  }

  /** Lists all that is not known whole. Settles with why what the server has to offer is not known; never rejects. */
  async listAll(): Promise<string | undefined> {
    const faults = await Promise.all(
      this.#all.map(async (list) => {
        if (list.isComplete || list.isDeclared === false) return undefined;
        // What it does not list, and has not said that it has, is nothing; should it come later, it is new.
        const isNothing = (): boolean => {
          const { isRefused, isDeclared, fault } = list;
          if (list === this.tools) return isRefused && isDeclared !== true;
          return isRefused || (fault !== undefined && isDeclared !== true);
        };
        if (isNothing()) return undefined;
        const fault = await list.list();
        return isNothing() ? undefined : fault;
      }),
    );
    return faults.find((fault) => fault !== undefined);
  }

  /** What was learned of the lists counts no more. */
  invalidate(): void {
    for (const list of this.#all) list.invalidate();
  }

  /** The server has said what it is capable of, in the object from `start` to `end`. */
  declared(bytes: Buffer, { start, end }: Range): void {
    for (const list of this.#all)
      list.isDeclared = readMember(bytes, start, end, list.shape.capability) !== 'absent';
  }

  /** Does work in slices: see `Slices.run`. */
  run<Result>(work: Work<Result>, then: (result: Result) => void): void {
    this.#reading++;
    this.#slices.run(work, (result) => {
      this.#reading--;
      then(result);
    });
  }
}
