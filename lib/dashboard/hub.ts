import type { AnyModel } from '../definition/definition';
import { groupBy } from '../values/group';
import { Refusal } from './answer';
import { Changes } from './changes';
import { Viewer } from './viewer';

const MAX_VIEWERS = 200;

/** All who look at a dashboard now. Changes are heard once for all of them, and not at all while nobody looks. */
export class Hub {
  readonly #viewers = new Set<Viewer>();
  readonly #changes: readonly Changes[];
  #isClosed = false;

  constructor(models: readonly AnyModel[]) {
    const clients = [...new Set(models.map(({ db }) => db.getClient() as unknown))];
    const databaseOf = ({ db }: AnyModel) => `${clients.indexOf(db.getClient() as unknown)} ${db.name}`;
    this.#changes = [...groupBy(models, databaseOf).values()].map(
      (ofDatabase) => new Changes(ofDatabase, (changed) => this.#tell(changed)),
    );
  }

  get size(): number {
    return this.#viewers.size;
  }

  /** A stream of events for somebody who may see these models. @throws {Refusal} when too many look. */
  join(models: readonly AnyModel[]): ReadableStream<Uint8Array> {
    if (this.#isClosed) throw new Refusal(503, 'closed', 'This dashboard is closed.');
    if (this.#viewers.size >= MAX_VIEWERS)
      throw new Refusal(503, 'busy', `${MAX_VIEWERS} look at this already.`, { 'retry-after': '30' });
    const viewer: Viewer = new Viewer(models, () => this.#leave(viewer));
    this.#viewers.add(viewer);
    for (const one of this.#changes) one.start();

    return viewer.stream;
  }

  close(): void {
    this.#isClosed = true;
    for (const viewer of this.#viewers) viewer.end();
  }

  #leave(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size === 0) for (const one of this.#changes) one.stop();
  }

  #tell(models: readonly AnyModel[]): void {
    for (const viewer of this.#viewers) viewer.tell(models);
  }
}
