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
  /** Somebody wrote in the chat; an entry of `GET /api/chat`. Heard by all. */
  "chat:message": ChatMessageView;
  /** Staff took a message out of the chat. Heard by all. Who was away hears the `chat:message` without its text before. */
  "chat:removed": ChatRemovedPayload;
  /** The member is in this dialog from now on, and hears what is told in it. */
  "dialog:joined": DialogRef;
  /** The member is not in this dialog any more, and hears nothing of it. */
  "dialog:left": DialogRef;
  /** Somebody is writing in a dialog. Nobody tells the end: whoever hears it takes it as over after 5 s without another, or with a message of that member. The Socket.IO socket that said it is not told; the member's other connections are. */
  "dialog:typing": DialogTypingPayload;
  /** A dialog changed; an entry of `GET /api/dialogs`. Each member hears it with what that member has not read, the staff with what none of them has. */
  "dialog_update": DialogView;
  /** Somebody opened a case and won this; an entry of `GET /api/drops`. Heard by all. */
  "drop:new": DropView;
  /** An event of the calendar was called off. Heard by its participants and its owner. */
  "event:cancelled": CalendarEventFacts;
  /** An event of the calendar was made or changed. Heard by its participants and its owner. */
  "event:updated": CalendarEventFacts;
  /** The member's inventory changed. Heard by that member's sockets only. */
  "inventory:updated": null;
  /** The member's inventory changed. Heard by that member's sockets only. */
  [name: `inventory:updated:${number}`]: null;
  /** Somebody is invited to an event of the calendar. Heard by whoever is invited. */
  "invitation:new": CalendarEventFacts;
  /** Somebody wrote in a dialog; an entry of `GET /api/dialogs/{id}/messages`. Staff hear those of every dialog, and nobody else hears a note. */
  "new_message": MessageView;
  /** Something concerns the member; an entry of `GET /api/notifications`. Heard by the member. */
  "notification:new": NotificationView;
  /** The member has read up to an id, on whatever device. Heard by the member. */
  "notification:read": NotificationReadPayload;
  /** Somebody answered, or got a seat. Heard by the event's participants and its owner. */
  "participant:updated": ParticipantUpdatedPayload;
  /** The answer to `ping`, with the server's time. */
  "pong": PongPayload;
  /** Something was emitted on the reactor, for all or for one member; `/ws/stream` sends it as `{type, detail}`. */
  "reactor:event": ReactorEventPayload;
  /** What came after the cursor in `auth.after` cannot all be told: load the snapshot again. Sent right before the answer to CONNECT; what is told from `cursor` on follows. */
  "resync": ResyncPayload;
  /** The server is about to stop; come back after `reconnectInMs` milliseconds. */
  "server:draining": ServerDrainingPayload;
  /** The dialogs that were asked for, of which this connection hears. */
  "subscribed": SubscribedPayload;
}

/** What a client may ask, by name. */
export interface Commands {
  /** Write in the chat, as `POST /api/chat`. */
  "chat:send": { data: SendChatPayload; answer: SendChatAnswer };
  /** Write in a dialog, as `POST /api/dialogs/{id}/messages`. */
  "dialog:send": { data: SendMessagePayload; answer: SendMessageAnswer };
  /** Say that one is writing in a dialog; to be said again every few seconds while it lasts. */
  "dialog:typing": { data: DialogRef; answer: TypingAnswer };
  /** Ask whether the server is there; it answers with `pong` and an ack. */
  "ping": { data: PingPayload; answer: PingAnswer };
  /** Ask which dialogs are heard of: those named, or all of one's own. It changes nothing, since members hear of their dialogs anyway; answered by `subscribed`, too. */
  "subscribe": { data: SubscribePayload; answer: SubscribeAnswer };
  /** Join the rooms of the member whose token this is; `userId` must be that member's id. With `after`, a cursor, what came since then is told before the ack, which then says whether that was all (`resync` false), and where the socket is now. */
  "user:identify": { data: IdentifyPayload; answer: IdentifyAnswer };
}

export interface AuthExpiredPayload {
  graceMs: number;
}

export interface BalanceUpdatedPayload {
  balance: number;
}

export interface CalendarEventFacts {
  id: number;
  title: string;
  description: string;
  location: string;
  startsAt: string;
  endsAt: string;
  capacity: number | null;
  visibility: "private" | "public";
  owner: NameView;
  sequence: number;
  cancelled: boolean;
}

export interface CaseRef {
  id: number;
  name: string;
  image: string;
}

export interface ChatMessageView {
  id: number;
  user: NameView;
  text: string;
  at: string;
}

export interface ChatRemovedPayload {
  id: number;
}

export interface DialogRef {
  dialogId: number;
}

export interface DialogTypingPayload {
  dialogId: number;
  userId: number;
}

export interface DialogView {
  id: number;
  subject: string;
  status: "open" | "pending" | "resolved";
  assignee: PersonView | null;
  members: Array<PersonView>;
  lastMessage: MessageView;
  unread: number;
  updatedAt: string;
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
  resync?: boolean;
  cursor?: string;
}

export interface IdentifyPayload {
  userId: number;
  token?: string | null;
  after?: string | null;
}

export interface ItemView {
  id: number;
  name: string;
  image: string;
  rarity: "common" | "uncommon" | "rare" | "epic" | "legendary";
  value: number;
}

export interface MessageView {
  id: number;
  dialogId: number;
  sender: PersonView;
  text: string;
  localId: string | null;
  internal: boolean;
  at: string;
}

export interface NameView {
  id: number;
  username: string;
}

export interface NotificationReadPayload {
  upTo: number;
  unread: number;
}

export interface NotificationView {
  id: number;
  kind: "reply" | "invitation" | "event_changed" | "event_cancelled" | "reminder" | "promoted" | "payment" | "prize";
  data: unknown;
  at: string;
  read: boolean;
}

export interface ParticipantUpdatedPayload {
  userId: number;
  status: "needs-action" | "accepted" | "declined" | "tentative";
  waitlisted: boolean;
  eventId: number;
}

export interface PersonView {
  id: number;
  username: string;
  role: "member" | "staff" | "admin" | "service";
}

export interface PingAnswer {
  at: string;
}

export interface PingPayload {
}

export interface PongPayload {
  at: string;
}

export interface ReactorEventPayload {
  type: string;
  detail: unknown;
}

export interface ResyncPayload {
  cursor: string;
}

export interface SendChatAnswer {
  message: ChatMessageView;
}

export interface SendChatPayload {
  text: string;
}

export interface SendMessageAnswer {
  message: MessageView;
}

export interface SendMessagePayload {
  dialogId: number;
  text: string;
  localId?: string | null;
  internal?: boolean;
}

export interface ServerDrainingPayload {
  reconnectInMs: number;
}

export interface SubscribeAnswer {
  dialogIds: Array<number>;
}

export interface SubscribePayload {
  dialogIds?: Array<number> | null;
}

export interface SubscribedPayload {
  dialogIds: Array<number>;
}

export interface TypingAnswer {
}
