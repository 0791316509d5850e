import { EventEmitter } from 'node:events';

/** The name of an event: `Name` if there is one of that name. */
type EventName<Name, Events> = Name extends keyof Events ? Name : keyof Events & string;

type Listener<Name, Events> = Name extends keyof Events
  ? Events[Name] extends unknown[]
    ? (...values: Events[Name]) => void
    : never
  : never;

/** The methods of an `EventEmitter` that take a listener, for the events that are the keys of `Events`, each with its values. */
export interface Listening<Events> {
  /** Calls the listener with each event of the name. */
  on<Name>(event: EventName<Name, Events>, listener: Listener<Name, Events>): this;
  /** Calls the listener with the next event of the name. */
  once<Name>(event: EventName<Name, Events>, listener: Listener<Name, Events>): this;
  /** Calls the listener no more. */
  off<Name>(event: EventName<Name, Events>, listener: Listener<Name, Events>): this;
  /** The same as `on()`. */
  addListener<Name>(event: EventName<Name, Events>, listener: Listener<Name, Events>): this;
  /** The same as `off()`. */
  removeListener<Name>(event: EventName<Name, Events>, listener: Listener<Name, Events>): this;
  /** Like `on()`, before the listeners that are there. */
  prependListener<Name>(event: EventName<Name, Events>, listener: Listener<Name, Events>): this;
  /** Like `once()`, before the listeners that are there. */
  prependOnceListener<Name>(event: EventName<Name, Events>, listener: Listener<Name, Events>): this;
}

/**
 * An `EventEmitter` with the events that are the keys of `Events`, each with its values. By Node's own types a misspelt name makes the
 * listener wrong; by these the name is.
 */
export type Emitter<Events> = Omit<EventEmitter, keyof Listening<unknown>> & Listening<Events>;

export const Emitter = EventEmitter as unknown as new <Events>() => Emitter<Events>;
