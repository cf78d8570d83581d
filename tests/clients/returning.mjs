// socket.io-client of a release, as a page that is left by its network again and again: it says
// everything that happens in its order, as JSON lines, and does what it is told. Arguments: the
// package's name, the URL, the client's options.
import { createRequire } from "node:module";
import readline from "node:readline";

const [release, url, options] = process.argv.slice(2);
const { io } = createRequire(import.meta.url)(release);

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const socket = io(url, {
  reconnectionDelay: 20,
  reconnectionDelayMax: 50,
  ...JSON.parse(options),
});

socket.onAny((...event) => say({ event }));
socket.on("connect", () => {
  const { name } = socket.io.engine.transport;
  say({ connected: { sid: socket.id, recovered: socket.recovered, transport: name } });
});
socket.on("connect_error", (error) => say({ refused: error.message, data: error.data ?? null }));
socket.on("disconnect", (reason) => say({ disconnected: reason }));

const commands = {
  // As at the change of a user: what is said in CONNECT from now on.
  auth: ({ auth }) => { socket.auth = auth; },
  transports: ({ transports }) => { socket.io.opts.transports = transports; },
  leave: () => { socket.disconnect(); },
  // Not a goodbye: the socket comes back by itself.
  close: () => { socket.io.engine.close(); },
  come: () => { socket.connect(); },
  transport: () => socket.io.engine.transport.name,
  emit: ({ args }) => socket.timeout(20_000).emitWithAck(...args),
};

readline.createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { id, command, ...rest } = JSON.parse(line);
    say({ answered: id, value: (await commands[command](rest)) ?? null });
  })
  .on("close", () => process.exit());
