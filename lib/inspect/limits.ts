// Who looks must not get in the way of those who work.

/** How long the server may look for one answer, in milliseconds. */
export const ANSWER_MS = 400;
/** How long for a part of what took longer than that. */
export const PART_MS = 250;
/** How long for the tasks of an action, which is asked for rarely, and once. */
export const ACT_MS = 5_000;

/** To this many documents are counted. */
export const MAX_COUNT = 10_000;
/** In so many tasks of the state a search is made that took too long in all of them. */
export const FIRST_COUNT = 10_000;
/** In so many where that takes too long as well. */
export const NEWEST_COUNT = 2_000;
