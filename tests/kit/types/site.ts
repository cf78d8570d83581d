// How a site in TypeScript uses the kit; it only has to compile.
import { ApiError, CyberHub, describe, type Snapshot } from "cyberhub-client";

const club = new CyberHub({ url: "https://club.example", timing: { retry: [500, 5_000] } }).start();

club.on("balance:updated", ({ balance }) => balance.toFixed(2));
club.on("balance:updated:7", ({ balance }, { cursor }) => `${balance} ${cursor ?? ""}`);
club.on("cases:updated", (nothing: null) => nothing);
club.on("drop:new", ({ user, item, at }) => `${user} ${item.name} ${item.rarity} ${at}`);
club.on("state", (state) => describe(state));
club.on("resync", (snapshot: Snapshot | null) => snapshot?.balance);
club.on("*", (event, data, heard) => [event.length, data, heard.cursor]);
const off: () => void = club.on("queue", ({ answer, error }) => error?.code ?? answer);
off();

club.emit("ping").then(({ at }) => at.length);
club.money("/api/inventory/claim", { inventoryId: 1 }, { queue: true }).catch((error: ApiError) => error.isUndecided);

// @ts-expect-error: a balance is a number
club.on("balance:updated", ({ balance }) => balance.toUpperCase());
// @ts-expect-error: there is no such transport
new CyberHub({ transport: "pigeon" });
