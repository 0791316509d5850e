/** How long the server may look for one answer, in milliseconds: who looks must not get in the way of those who work. */
export const ANSWER_MS = 400;

/** How long for a part of what took longer than that. */
export const PART_MS = 250;

/** How long for the tasks of an action: that is asked for rarely, and once. */
export const ACT_MS = 5_000;
