// socket.io-client 2.x, which speaks an older protocol: it says how it was refused, as a JSON line.
import { createRequire } from "node:module";

const [url, transport] = process.argv.slice(2);
const io = createRequire(import.meta.url)("socket.io-client-2");

const socket = io(url, { transports: [transport], reconnection: false });
const end = (line) => process.stdout.write(`${JSON.stringify(line)}\n`, () => process.exit());
socket.on("connect", () => end({ connected: true }));
socket.on("connect_error", (error) =>
  end({ refused: error.message, why: String(error.description?.message ?? error.description) }),
);
