/** A busy machine may take minutes for what takes seconds on an idle one. */
jest.setTimeout(1_800_000);

/** What is explored only by `npm run model`, which takes minutes. */
export function ifFull<Size>(sizes: readonly Size[]): readonly Size[] {
  return process.env['MODEL_SIZE'] === 'full' ? sizes : [];
}
