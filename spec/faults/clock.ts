/** This machine's time in milliseconds, whatever a process has made of its `Date`. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}
