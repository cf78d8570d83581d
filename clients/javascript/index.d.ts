// The kit's types. Those of events and commands come from the club's catalogue.
import type { Commands, ServerEvents } from "./events.d.ts";

export type { Commands, ServerEvents } from "./events.d.ts";

export type Via = "websocket" | "polling" | "updates";

/** What an indicator shows. */
export interface State {
  state: "online" | "reconnecting" | "offline";
  /** How it is online; empty otherwise. */
  via: Via | "";
  /** When the next attempt begins, in milliseconds of Date.now(); 0 while one is under way. */
  retryAt: number;
}

export interface User {
  id: number;
  username: string;
  role: string;
  balance?: number;
}

export interface Session {
  token: string | null;
  /** ISO 8601; null where it is not known, and then the token is not renewed. */
  expiresAt: string | null;
  user: User | null;
  /** The club refused the token: the member has to sign in again. */
  ended: boolean;
}

/** The answer of GET /api/me, kept true by the events after it. */
export interface Snapshot {
  user: User;
  balance: number;
  currency: string;
  inventory: unknown[];
  unread: number;
  cursor: string;
}

/** A POST that waits for the connection. */
export interface Queued {
  path: string;
  body: unknown;
  key: string;
  /** When it was first tried, in milliseconds of Date.now(). */
  at: number;
}

export interface QueueResult extends Omit<Queued, "at"> {
  /** The club's answer; absent if it refused, or if it waited too long. */
  answer?: Record<string, unknown>;
  error?: ApiError;
}

/** Milliseconds; pairs are the first and the longest of a row that doubles. */
export interface Timing {
  retry: [number, number];
  climb: [number, number];
  connect: number;
  slow: number;
  ack: number;
  request: number;
  offline: number;
  renew: number;
  poll: number;
}

export type Route = (data: any) => [method: string, path: string, body?: object];

export interface Options {
  /** The club's address; its own pages need none. */
  url?: string;
  /** socket.io-client's `io`; without it the module of that name, or the club's own copy, is imported. */
  io?: Function;
  /** To allow one transport only. */
  transport?: Via;
  /** Under which session and memory of a club are kept, and which tabs belong together. */
  name?: string;
  timing?: Partial<Timing>;
  /** HTTP routes of further commands, for where there is no socket. */
  routes?: Record<string, Route>;
  queue?: { limit?: number; maxAgeMs?: number };
}

/** What the kit itself tells. */
export interface KitEvents {
  state: State;
  session: Session;
  /** The member's snapshot changed; null for a visitor. */
  snapshot: Snapshot | null;
  /** Following begins anew: load what events would have told. Also at the start. */
  resync: Snapshot | null;
  /** What became of a queued action. */
  queue: QueueResult;
}

export interface Heard {
  /** The full name, as in `balance:updated:7`. */
  event: string;
  /** Null for what is not in the log. */
  cursor: string | null;
}

export class ApiError extends Error {
  /** 0: nobody answered. An ack has no status; 400 stands for it. */
  status: number;
  code: string;
  fields: Record<string, unknown>;
  requestId: string;
  retryAfterS: number;
  /** Nothing was decided: the same request may end otherwise later. */
  readonly isUndecided: boolean;
}

export class CyberHub {
  constructor(options?: Options);

  /** Connect, and stay connected. */
  start(): this;
  /** Disconnect for good. */
  stop(): void;

  readonly state: State;
  readonly session: Session;
  readonly snapshot: Snapshot | null;
  /** Until when what is shown was known to be true, ISO 8601; null if it never was. */
  readonly seenAt: string | null;

  /** Gives the function that takes the listener away. */
  on<K extends keyof KitEvents>(event: K, listener: (value: KitEvents[K]) => void): () => void;
  on<K extends keyof ServerEvents>(event: K, listener: (data: ServerEvents[K], heard: Heard) => void): () => void;
  on(event: "*", listener: (event: string, data: unknown, heard: Heard) => void): () => void;
  on(event: string, listener: (data: unknown, heard: Heard) => void): () => void;
  off(event: string, listener: Function): void;

  /** Try again now instead of when it is due. */
  retry(): void;
  whenOnline(): Promise<void>;
  /** Does it, and again for as long as nobody answers and nothing is decided. */
  eventually<T>(work: () => Promise<T>): Promise<T>;

  signIn(username: string, password: string): Promise<void>;
  register(username: string, password: string): Promise<void>;
  /** A token from elsewhere. */
  setSession(session: Pick<Session, "token" | "user"> & Partial<Session>): void;
  signOut(): Promise<void>;

  /** Raises ApiError, as everything below. */
  request(
    method: string,
    path: string,
    options?: { body?: unknown; key?: string; token?: string | null; timeoutMs?: number; signal?: AbortSignal },
  ): Promise<any>;
  get(path: string): Promise<any>;
  post(path: string, body?: unknown): Promise<any>;
  put(path: string, body?: unknown): Promise<any>;
  patch(path: string, body?: unknown): Promise<any>;
  delete(path: string): Promise<any>;
  /** A POST that moves money, with an Idempotency-Key: asked until it is decided, done once. */
  money(path: string, body: unknown, options?: { key?: string }): Promise<any>;
  /** With `queue`, what cannot be decided now waits for the connection. */
  money(path: string, body: unknown, options: { queue: true; key?: string }): Promise<any | { queued: true; key: string }>;
  queued(): Promise<Queued[]>;

  /** Over the socket if there is one, else by its HTTP route. */
  emit<K extends keyof Commands>(command: K, data?: Commands[K]["data"]): Promise<Commands[K]["answer"]>;
  emit(command: string, data?: object): Promise<any>;

  /** Load the snapshot anew. */
  refresh(): Promise<void>;
  /** Keep something for times without a connection, until somebody else signs in. */
  remember(name: string, value: unknown): Promise<void>;
  recall(name: string): Promise<any>;
}

/** `online via websocket`, `reconnecting in 3 s`, `offline`. */
export function describe(state: State, now?: number): string;
