// One release of socket.io-client over many networks at once: every client connects, carries the
// same load, and comes back after the server was away. Arguments: the package's name, and a JSON
// list of {name, url, transports, settles}: which it may use, and which it is to end up with. What
// happens comes out as JSON lines.
import { createRequire } from "node:module";

const [release, networks] = process.argv.slice(2);
const { io } = createRequire(import.meta.url)(release);

const PATIENCE_MS = 20_000;
const BURST = 500;
// 300 kB in UTF-8, of one to four bytes a letter, and 300 kB of every byte.
const TEXT = "aéह🎮".repeat(30_000);
const BYTES = Buffer.from(Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) % 256));

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const within = (what, start, patience = PATIENCE_MS) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what}: nothing came`)), patience);
    start((value) => (clearTimeout(timer), resolve(value)));
  });

function expect(what, holds) {
  if (!holds) throw new Error(`${what}: not what was expected`);
}

const isBytes = (data) => BYTES.equals(Buffer.from(data));

async function play({ name, url, transports, settles }) {
  const socket = io(url, {
    transports,
    forceNew: true,
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
  });
  const once = (event) => within(event, (resolve) => socket.once(event, resolve));
  const ask = (event, ...args) =>
    within(event, (resolve) => socket.emit(event, ...args, resolve));
  const transport = () => socket.io.engine.transport.name;

  await once("connect");
  const first = socket.id;

  expect("text in an ack", (await ask("echo", TEXT)) === TEXT);
  expect("bytes in an ack", isBytes(await ask("echo", BYTES)));
  const repeated = within("repeated", (resolve) =>
    socket.once("repeated", (...args) => resolve(args)),
  );
  socket.emit("repeat", { bytes: BYTES }, "aéह🎮", [Buffer.of(0, 255)]);
  const [object, text, list] = await repeated;
  expect("an event with text and attachments",
    isBytes(object.bytes) && text === "aéह🎮" && list[0][1] === 255 && list[0].length === 2);

  const heard = [];
  socket.on("number", (number) => heard.push(number));
  await ask("burst", BURST);
  const counted = [...Array(BURST).keys()].join();
  expect(`a burst from the server (${heard.length})`, heard.join() === counted);

  for (let number = 0; number < BURST; number++) socket.emit("note", number);
  const noted = await ask("noted");
  expect(`a burst from the client (${noted.length})`, noted.join() === counted);

  // An upgrade may still be under way, and one that is blocked may be tried for long.
  if (settles !== transport())
    await within("upgrade", (resolve) => socket.io.engine.once("upgrade", resolve));
  // The server goes when the slowest client is ready.
  const gone = within("disconnect", (resolve) => socket.once("disconnect", resolve), 4 * PATIENCE_MS);
  say({ name, settled: transport() });

  await gone;
  await once("connect");
  expect("another session", socket.id !== first);
  expect("text after the restart", (await ask("echo", TEXT)) === TEXT);
  expect("bytes after the restart", isBytes(await ask("echo", BYTES)));
  const closed = within("close", (resolve) => socket.io.engine.once("close", resolve));
  socket.disconnect();
  await closed;
  say({ name, back: true });
}

await Promise.all(
  JSON.parse(networks).map((network) =>
    play(network).catch((error) => say({ name: network.name, failed: error.message })),
  ),
);
process.exit();
