// The application of the two Node peers: the one of python_app.py, with the same side channel.
import { createInterface } from "node:readline";

const ROOMS = 1000;
const A_TURN = 20;
export const BACKLOG = 4096;

const turn = () => new Promise(setImmediate);
const news = () => ({
  at: Number(process.hrtime.bigint()),
  text: "somebody won a thing of an ordinary name",
});

export function emitToRoom(io, room, body) {
  io.to(`user:${room}`).emit("news", body);
}

export async function run(io, port) {
  let clients = 0;
  let next = 0;
  io.on("connection", (socket) => {
    socket.join(`user:${next++ % ROOMS}`);
    clients++;
    socket.on("disconnect", () => clients--);
    socket.on("echo", (data, ack) => ack(data));
  });

  const commands = {
    async fanout(count) {
      for (let number = 0; number < count; number++) {
        io.emit("news", news());
        await turn();
      }
    },
    async targeted(count) {
      for (let number = 0; number < count; number++) {
        emitToRoom(io, number % ROOMS, news());
        if (number % A_TURN === 0) await turn();
      }
    },
    collect: () => globalThis.gc(),
    clients: () => {},
  };

  console.log(JSON.stringify({ port }));
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, argument] = line.split(" ");
    await commands[command](Number(argument));
    console.log(JSON.stringify({ clients }));
  }
  process.exit();
}
