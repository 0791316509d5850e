import { heed, type OnCancel } from '../cancel/heed';
import { renewalMs } from '../claim/takeover';
import { type AnyDocument, type AnyModel, definitionOf, modelOf } from '../definition/definition';
import { LeaseLostError } from '../errors';
import { onHandsAsked } from '../settle/tasks-in-hand';
import { handleOf, lease } from '../task/handle';
import { clearInterval, setInterval } from '../timers';
import { shownId } from '../values/id';
import { renewAll } from './heartbeat';
import { HeldTask } from './held-task';

/** The tasks a worker holds. Their leases are renewed together: one write for all tasks of a model. */
export class HeldTasks {
  readonly #held = new Map<AnyModel, Set<HeldTask>>();
  /** For each model of held tasks, the function that stops renewing them. */
  readonly #stops = new Map<AnyModel, () => void>();
  readonly #renewing = new Set<AnyModel>();
  #isClosed = false;
  /** Stop listening for cancels. */
  #unheed: readonly (() => void)[] = [];

  constructor(
    private readonly report: (error: unknown) => void,
    private readonly onCancel: OnCancel<HeldTask>,
  ) {}

  get size(): number {
    return [...this.#held.values()].reduce((sum, { size }) => sum + size, 0);
  }

  *[Symbol.iterator](): Generator<HeldTask> {
    for (const ofModel of this.#held.values()) yield* ofModel;
  }

  /** The tasks of a model's collection: those of its kinds are among them. */
  *of(model: AnyModel): Generator<HeldTask> {
    for (const [one, ofModel] of this.#held) if (one.collection === model.collection) yield* ofModel;
  }

  /** Hears of cancels of the models' tasks, until `close()`. */
  heedCancels(models: readonly AnyModel[]): void {
    this.#unheed = models.map((model) => heed(model, () => [...this.of(model)], this.onCancel));
  }

  take(task: AnyDocument): HeldTask {
    const held = new HeldTask(task, lease(task)!.token);
    const model = modelOf(task);
    const ofModel = this.#held.get(model) ?? new Set();
    this.#held.set(model, ofModel.add(held));
    this.#startRenewing(model);

    return held;
  }

  drop(held: HeldTask): void {
    held.end();
    const model = modelOf(held.task);
    const ofModel = this.#held.get(model);
    ofModel?.delete(held);
    if (ofModel?.size) return;
    this.#stops.get(model)?.();
    this.#stops.delete(model);
  }

  /** Stops renewing: held tasks are due again when their leases end. */
  close(): void {
    this.#isClosed = true;
    for (const stop of this.#unheed) stop();
    for (const stop of this.#stops.values()) stop();
    this.#stops.clear();
  }

  #startRenewing(model: AnyModel): void {
    if (this.#isClosed || this.#stops.has(model)) return;
    const { leaseMs } = definitionOf(model).options;
    const timer = setInterval(() => void this.#renewOnce(model), renewalMs(leaseMs));
    const forget = onHandsAsked(model, () => this.#leased(model).map(({ task }) => task));
    this.#stops.set(model, () => {
      clearInterval(timer);
      forget();
    });
  }

  #leased(model: AnyModel): HeldTask[] {
    return [...(this.#held.get(model) ?? [])].filter(({ task }) => lease(task) !== null);
  }

  // One renewal at a time: they would pile up while the database is out of reach.
  async #renewOnce(model: AnyModel): Promise<void> {
    if (this.#renewing.has(model)) return;
    this.#renewing.add(model);
    await this.#renew(model).catch(this.report);
    this.#renewing.delete(model);
  }

  async #renew(model: AnyModel): Promise<void> {
    const held = this.#leased(model);
    if (held.length === 0) return;

    const lost = await renewAll(model, held, this.onCancel);
    for (const one of lost) {
      // The task was settled during the renewal, or is being settled: the settle's answer tells its outcome.
      if (!lease(one.task) || handleOf(one.task).settledWith) continue;
      one.abort(
        new LeaseLostError(
          `The lease of ${model.modelName} ${shownId(one.task._id)} was lost: somebody else holds the task, or it was deleted.`,
          one.task._id,
        ),
      );
    }
  }
}
