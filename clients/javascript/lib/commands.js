// Where a command goes when there is no socket: the HTTP route that does the same.

/** @type {Record<string, (data: any) => [method: string, path: string, body?: object]>} */
export const ROUTES = {
  "chat:send": ({ text }) => ["POST", "/api/chat", { text }],
  "dialog:send": ({ dialogId, ...body }) => ["POST", `/api/dialogs/${dialogId}/messages`, body],
};
