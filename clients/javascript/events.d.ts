// Made from the classes in events/ by `make docs`; do not edit it by hand.

/** What the server tells, by name. */
export interface ServerEvents {
  /** The token of this connection expired; it loses its rooms after `graceMs` milliseconds. */
  "auth:expired": AuthExpiredPayload;
  /** The member's balance changed. Heard by that member's sockets only. */
  "balance:updated": BalanceUpdatedPayload;
  /** The member's balance changed. Heard by that member's sockets only. */
  [name: `balance:updated:${number}`]: BalanceUpdatedPayload;
  /** A case was added, changed or removed, or one of its lines ran out. Heard by all. */
  "cases:updated": null;
  /** Somebody opened a case and won this; an entry of `GET /api/drops`. Heard by all. */
  "drop:new": DropView;
  /** The member's inventory changed. Heard by that member's sockets only. */
  "inventory:updated": null;
  /** The member's inventory changed. Heard by that member's sockets only. */
  [name: `inventory:updated:${number}`]: null;
  /** The answer to `ping`, with the server's time. */
  "pong": PongPayload;
  /** The server is about to stop; come back after `reconnectInMs` milliseconds. */
  "server:draining": ServerDrainingPayload;
}

/** What a client may ask, by name. */
export interface Commands {
  /** Ask whether the server is there; it answers with `pong` and an ack. */
  "ping": { data: PingPayload; answer: PingAnswer };
  /** Join the rooms of the member whose token this is; `userId` must be that member's id. */
  "user:identify": { data: IdentifyPayload; answer: IdentifyAnswer };
}

export interface AuthExpiredPayload {
  graceMs: number;
}

export interface BalanceUpdatedPayload {
  balance: number;
}

export interface CaseRef {
  id: number;
  name: string;
  image: string;
}

export interface DropView {
  id: number;
  user: string;
  item: ItemView;
  case: CaseRef;
  at: string;
}

export interface IdentifyAnswer {
  userId: number;
}

export interface IdentifyPayload {
  userId: number;
  token?: string | null;
}

export interface ItemView {
  id: number;
  name: string;
  image: string;
  rarity: "common" | "uncommon" | "rare" | "epic" | "legendary";
  value: number;
}

export interface PingAnswer {
  at: string;
}

export interface PingPayload {
}

export interface PongPayload {
  at: string;
}

export interface ServerDrainingPayload {
  reconnectInMs: number;
}
