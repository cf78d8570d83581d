// Repeats a draw from its published numbers, with WebCrypto and nothing of ours.
//
//   roll = HMAC-SHA256(key = serverSeed, message = "clientSeed:nonce"), read as
//   a big-endian integer, modulo the sum of the weights. Values at or above the
//   largest multiple of that sum are rejected, since they would favour the first
//   lines; the next message is then "clientSeed:nonce:1", ":2" and so on.

const utf8 = (text) => new TextEncoder().encode(text);
const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** WebCrypto is there on https and localhost only. */
export const canVerify = Boolean(globalThis.crypto?.subtle);

export async function rollOf({ serverSeed, clientSeed, nonce }, total) {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", utf8(serverSeed), algorithm, false, ["sign"]);
  const space = 1n << 256n;
  const limit = space - (space % BigInt(total));
  for (let round = 0; ; round++) {
    const message = round === 0 ? `${clientSeed}:${nonce}` : `${clientSeed}:${nonce}:${round}`;
    const value = BigInt(`0x${hex(await crypto.subtle.sign("HMAC", key, utf8(message)))}`);
    if (value < limit) return Number(value % BigInt(total));
  }
}

/** The line whose share of the weights the roll falls into. */
export function lineAt(lines, roll) {
  let upTo = 0;
  return lines.find((line) => roll < (upTo += line.weight));
}

/**
 * @returns {{hash: boolean, commitment: boolean | null, roll: boolean, line: boolean, total: number, drawn: object}}
 *   `commitment` is null when none is known for this opening
 */
export async function verify({ opening, lines, item, commitment }) {
  const total = lines.reduce((sum, line) => sum + line.weight, 0);
  const digest = hex(await crypto.subtle.digest("SHA-256", utf8(opening.serverSeed)));
  const roll = await rollOf(opening, total);
  const drawn = lineAt(lines, roll);
  return {
    hash: digest === opening.serverSeedHash,
    commitment: commitment && commitment.nonce === opening.nonce ? commitment.serverSeedHash === digest : null,
    roll: roll === Number(opening.roll),
    line: drawn?.name === item.name,
    total,
    drawn,
  };
}
