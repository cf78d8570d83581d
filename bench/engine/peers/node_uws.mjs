// Node socket.io on uWebSockets.js. Ends with 3 where the package brings no build for this Node.
import { Server } from "socket.io";
import { emitToRoom, run } from "./node_app.mjs";

// The package falls back to an imitation in JavaScript, which lacks SSLApp: not what is asked for.
const uws = await import("uWebSockets.js").then((module) => module.default).catch(() => ({}));
if (!uws.SSLApp) process.exit(3);

const app = uws.App();
const io = new Server();
io.attachApp(app);
app.post("/rooms/:room", (response, request) => {
  const room = request.getParameter(0);
  const parts = [];
  response.onAborted(() => {});
  response.onData((part, last) => {
    parts.push(Buffer.from(part.slice(0)));
    if (!last) return;
    emitToRoom(io, room, JSON.parse(Buffer.concat(parts).toString()));
    response.cork(() => {
      response.writeHeader("Content-Type", "application/json; charset=utf-8");
      response.end(JSON.stringify({ success: true }));
    });
  });
});
app.listen("127.0.0.1", 0, (socket) => run(io, uws.us_socket_local_port(socket)));
