// Node socket.io on Node's http and ws.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { BACKLOG, emitToRoom, run } from "./node_app.mjs";

const http = createServer((request, response) => {
  const room = /^\/rooms\/(\d+)$/.exec(request.url)?.[1];
  if (request.method !== "POST" || room === undefined) {
    response.writeHead(404).end();
    return;
  }
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    emitToRoom(io, room, JSON.parse(Buffer.concat(parts).toString()));
    const body = JSON.stringify({ success: true });
    response.writeHead(200, {
      "Content-Type": "application/json; charset=utf-8",
      "Content-Length": Buffer.byteLength(body),
    });
    response.end(body);
  });
});
const io = new Server(http);
http.listen({ host: "127.0.0.1", port: 0, backlog: BACKLOG }, () => run(io, http.address().port));
