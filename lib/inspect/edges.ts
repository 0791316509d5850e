import { DependencyType } from '../declare/dependency';
import { type AnyModel, definitionOf, type RawDocument } from '../definition/definition';
import { dependencyPaths, kindKey, readReferences, referencesOfRaw } from '../dependencies/references';
import { type Awaited, judge, type Judged, policyOf } from '../dependencies/verdict';
import { State } from '../fields';
import { only } from '../server/read';
import type { GraphEdge } from './answers';
import type { View } from './view';

/** One dependency of a task on one document. */
export interface Edge extends Pick<GraphEdge, 'path' | 'type' | 'holds' | 'reason'> {
  /** Null where the task names a model that there is not. */
  readonly model: AnyModel | null;
  readonly id: unknown;
  readonly exists: boolean;
}

/** What a stored task depends on as far as it is shown, those first that keep it back. */
export async function edgesOf(view: View, model: AnyModel, raw: RawDocument, state: string): Promise<Edge[]> {
  const references = referencesOfRaw(model, raw).filter(({ clause }) => !view.hidesPartOf(model, clause.path));
  const [judged] = await readReferences([references]);
  const isOver = state === State.RUNNING || state === State.FINISHED || state === State.CANCELLED;
  const edges = judged!.flatMap((clause) => {
    const isUnmet = !isOver && judge([clause]).kind !== 'ready';
    return clause.references.map((one) => edgeTo(clause, one, isUnmet));
  });

  return edges.toSorted((one, other) => Number(other.holds) - Number(one.holds));
}

/** What has to be read of a task to know its edges. */
export function edgeProjection(model: AnyModel): Record<string, 1> {
  const key = kindKey(model);

  return only([...dependencyPaths(model), definitionOf(model).options.fields.state, ...(key ? [key] : [])]);
}

function edgeTo({ clause, target }: Judged, reference: Awaited, isUnmet: boolean): Edge {
  const { standing, id } = reference;
  const policy = policyOf(clause, reference);
  const isOpen = standing !== 'met' && policy !== 'ignore';

  return {
    model: target?.model ?? null,
    id,
    exists: standing !== 'missing',
    path: clause.path,
    type: clause.type,
    holds: isUnmet && isOpen,
    reason: `${SAYS[standing]}${standing === 'met' || standing === 'unmet' ? '' : CONSEQUENCE[policy]}${anyOf(clause.type, standing)}`,
  };
}

const SAYS = { met: 'done', unmet: 'not done yet', failed: 'failed', missing: 'does not exist' } as const;
const CONSEQUENCE = {
  wait: ': waited for all the same',
  fail: ': which fails the task',
  ignore: ': which is ignored',
  none: '',
} as const;

function anyOf(type: DependencyType, standing: string): string {
  return type === DependencyType.ANY_OF && standing === 'unmet' ? ' (one of several is enough)' : '';
}
