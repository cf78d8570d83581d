// The client kit under Node, played by a test: it reads commands and says what happens, both as
// JSON lines. The kit's options are its argument.
import readline from "node:readline";

import { ApiError, CyberHub, describe } from "../../clients/javascript/index.js";

const say = (line) => process.stdout.write(`${JSON.stringify({ at: Date.now(), ...line })}\n`);
const { session, ...options } = JSON.parse(process.argv[2]);
const client = new CyberHub(options);

client.on("*", (event, data, { cursor }) => say({ event, data, cursor }));
client.on("state", (state) => say({ state, words: describe(state) }));
for (const kind of ["session", "snapshot", "resync", "queue"]) {
  client.on(kind, (value) => say({ [kind]: value }));
}
client.on("balance:updated", (data) => say({ short: data }));
if (session) client.setSession(session);
client.start();

readline
  .createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { id, method, args } = JSON.parse(line);
    try {
      const value = typeof client[method] === "function" ? await client[method](...args) : client[method];
      say({ answered: id, value: value ?? null });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { status, code, message, fields } = error;
      say({ answered: id, refused: { status, code, message, fields } });
    }
  })
  // The test has closed the pipe: nothing may keep the process then.
  .on("close", () => client.stop());
