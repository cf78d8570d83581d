// The real socket.io-client, played by a test: it reads commands and says what happens, both as
// JSON lines. The URL and the client's options are its arguments.
import readline from "node:readline";

import { io } from "socket.io-client";

const [url, options] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const socket = io(url, JSON.parse(options));
const transport = () => socket.io.engine.transport.name;

socket.onAny((name, ...args) => say({ event: name, args }));
socket.io.on("open", () => {
  say({ opened: transport() });
  // The upgrade may be over before the server has answered CONNECT.
  socket.io.engine.once("upgrade", () => say({ upgraded: transport() }));
});
socket.on("connect", () => say({ connected: socket.id }));
socket.on("connect_error", (error) => say({ refused: error.message, data: error.data ?? null }));
socket.on("disconnect", (reason) => say({ disconnected: reason }));

const commands = {
  emit: async ({ name, args }) => socket.timeout(10_000).emitWithAck(name, ...args),
  fetch: async ({ path, method, body, token }) => {
    const response = await fetch(url + path, {
      method,
      body: JSON.stringify(body),
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    });
    return { status: response.status, body: await response.json() };
  },
};

readline.createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { id, command, ...rest } = JSON.parse(line);
    say({ answered: id, value: await commands[command](rest) });
  })
  // The test has closed the pipe: this client is to leave, and with it the process.
  .on("close", () => socket.disconnect());
