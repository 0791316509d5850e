import type { AnyModel, RawDocument } from '../definition/definition';
import type { Graph, GraphEdge, GraphNode } from './answers';
import { readBounded } from './bounded';
import { dependentsOf } from './dependents';
import { type Edge, edgeProjection, edgesOf } from './edges';
import { idText, labelOf } from './ids';
import { readStored, storedIn } from './stored';
import type { View } from './view';

/** At most so many documents are shown. */
const MAX_NODES = 200;
/** At most so many are asked for what waits for them, or what they wait for. */
const MAX_STEPS = 60;

/** What a task waits for and what waits for it, over as many steps as there are, as far as the viewer may see it. */
export async function graphOf(view: View, model: AnyModel, id: unknown): Promise<Graph> {
  const { raw } = await readStored(model, id);
  const walk = new Walk(view);
  walk.add(model, raw._id, raw);
  await walk.down({ model, raw });
  await walk.up({ model, raw });

  return walk.graph();
}

interface Place {
  readonly model: AnyModel;
  readonly raw: RawDocument;
}

class Walk {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #edges = new Map<string, GraphEdge>();
  #isCut = false;
  #steps = MAX_STEPS;

  constructor(private readonly view: View) {}

  /** What a task waits for, and what that waits for. */
  async down(from: Place): Promise<void> {
    const queue = [from];
    for (let place = queue.shift(); place; place = queue.shift()) {
      if (!this.#step()) return;
      const news = await this.#follow(place);
      queue.push(...news);
    }
  }

  /** What waits for a document, and what waits for that. */
  async up(to: Place): Promise<void> {
    const queue = [to];
    for (let place = queue.shift(); place; place = queue.shift()) {
      if (!this.#step()) return;
      const { found, isCut } = await dependentsOf(this.view, place.model, place.raw._id, MAX_NODES - this.#nodes.size);
      this.#isCut ||= isCut;
      for (const { model, raw } of found) {
        const isNew = this.add(model, raw._id, raw);
        await this.#connect({ model, raw });
        if (isNew) queue.push({ model, raw });
      }
    }
  }

  /** Adds a document if there is room. Resolves to whether it is new. */
  add(model: AnyModel | null, id: unknown, raw: RawDocument | null, exists = raw !== null): boolean {
    const key = this.#keyOf(model, id);
    if (this.#nodes.has(key)) return false;
    if (this.#nodes.size >= MAX_NODES) {
      this.#isCut = true;
      return false;
    }
    const shown = model && this.view.shownModelOf(model);
    const state = raw && shown ? storedIn(shown, raw).state : null;
    const name = (shown ?? model)?.modelName ?? 'unknown';
    this.#nodes.set(key, { key, model: name, id: idText(id), label: labelOf(id), state, task: Boolean(shown), exists });

    return true;
  }

  graph(): Graph {
    const edges = [...this.#edges.values()];

    return { nodes: [...this.#nodes.values()], edges, cycle: cycleIn(edges), cut: this.#isCut };
  }

  #step(): boolean {
    if (this.#steps-- > 0) return true;
    this.#isCut = true;

    return false;
  }

  /** Adds what a task depends on. Returns those that are tasks themselves and new. */
  async #follow({ model, raw }: Place): Promise<Place[]> {
    const edges = await edgesOf(this.view, model, raw, storedIn(model, raw).state);
    const found = await this.#read(edges.slice(0, MAX_NODES));
    const news: Place[] = [];
    for (const edge of edges) {
      const shown = edge.model && this.view.shownModelOf(edge.model);
      const place = shown && { model: shown, raw: found.get(this.#keyOf(shown, edge.id)) };
      const isNew = this.add(edge.model, edge.id, place?.raw ?? null, edge.exists);
      this.#join(model, raw, edge);
      if (isNew && place?.raw) news.push({ model: place.model, raw: place.raw });
    }

    return news;
  }

  /** Adds the edges of a task to what is there already. */
  async #connect({ model, raw }: Place): Promise<void> {
    for (const edge of await edgesOf(this.view, model, raw, storedIn(model, raw).state)) this.#join(model, raw, edge);
  }

  #join(model: AnyModel, { _id }: RawDocument, { path, type, holds, reason, model: to, id }: Edge): void {
    const ends = { from: this.#keyOf(model, _id), to: this.#keyOf(to, id) };
    if (!this.#nodes.has(ends.from) || !this.#nodes.has(ends.to)) return;
    this.#edges.set(JSON.stringify([ends, path]), { ...ends, path, type, holds, reason });
  }

  async #read(edges: readonly Edge[]): Promise<Map<string, RawDocument>> {
    const byModel = new Map<AnyModel, unknown[]>();
    for (const { model, id, exists } of edges) {
      const shown = model && exists && this.view.shownModelOf(model);
      if (shown) byModel.set(shown, [...(byModel.get(shown) ?? []), id]);
    }
    const found = new Map<string, RawDocument>();
    for (const [model, ids] of byModel) {
      const find = { filter: { _id: { $in: ids } }, limit: ids.length, projection: edgeProjection(model) };
      for (const raw of await readBounded(model, find)) found.set(this.#keyOf(model, raw._id), raw);
    }

    return found;
  }

  #keyOf(model: AnyModel | null, id: unknown): string {
    const shown = model && (this.view.shownModelOf(model) ?? model);

    return `${shown?.modelName ?? 'unknown'}:${idText(id)}`;
  }
}

/** The keys along a circle of edges that hold, if there is one. */
function cycleIn(edges: readonly GraphEdge[]): string[] | null {
  const next = new Map<string, string[]>();
  for (const { from, to, holds } of edges) if (holds) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const search = (key: string, path: readonly string[]): string[] | null => {
    if (path.includes(key)) return path.slice(path.indexOf(key));
    if (done.has(key)) return null;
    for (const to of next.get(key) ?? []) {
      const cycle = search(to, [...path, key]);
      if (cycle) return cycle;
    }
    done.add(key);
    return null;
  };
  for (const key of next.keys()) {
    const cycle = search(key, []);
    if (cycle) return cycle;
  }

  return null;
}
