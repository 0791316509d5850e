import fc from 'fast-check';

/** Of all random cases: the same ones in every run, so that a run tells of the change it tries. Others by `PROPERTY_SEED=$RANDOM`. */
export const PROPERTY_SEED = Number(process.env['PROPERTY_SEED'] ?? 12);

fc.configureGlobal({ seed: PROPERTY_SEED });

/** How many cases to try: more of them by `PROPERTY_RUNS=5000`. */
export const propertyRuns = (usual: number): number => Number(process.env['PROPERTY_RUNS'] ?? usual);

export default fc;
