// A case while it is being edited: text as typed, and what it means.
import { parseMoney } from "../format.js";
import { t } from "../i18n.js";

export const RARITIES = ["common", "uncommon", "rare", "epic", "legendary"];

let lastKey = 0;

export const newLine = () => ({ key: ++lastKey, name: "", image: "", rarity: "common", value: "", weight: "1", stock: "" });

export function draftOf({ id, name = "", image = "", price, items }) {
  return {
    id,
    name,
    image,
    price: price === undefined ? "" : String(price),
    lines: items
      ? items.map((item) => ({
          key: ++lastKey,
          name: item.name,
          image: item.image,
          rarity: item.rarity,
          value: String(item.value),
          weight: String(item.weight),
          stock: item.stock === null ? "" : String(item.stock),
        }))
      : [newLine()],
  };
}

const whole = (text, least) => (/^\d{1,9}$/.test(text.trim()) && Number(text) >= least ? Number(text) : null);

/** The fraction for each line; null where the text is no weight. Lines out of stock take no part. */
export function chances(lines) {
  const weights = lines.map((line) => (line.stock.trim() === "0" ? 0 : whole(line.weight, 1)));
  const total = weights.reduce((sum, weight) => sum + (weight ?? 0), 0);
  return weights.map((weight) => (weight === null ? null : total && weight / total));
}

/** What the server is to be sent. Throws an Error with a sentence for what cannot be. */
export function bodyOf({ id, name, image, price, lines }) {
  const must = (value, problem) => {
    if (value === null || value === "") throw new Error(t(problem));
    return value;
  };
  if (!lines.length) throw new Error(t("edit.bad.lines"));
  return {
    ...(id && { id }),
    name: must(name.trim(), "edit.bad.name"),
    image: image.trim(),
    price: must(parseMoney(price) || null, "edit.bad.money"),
    items: lines.map((line) => ({
      name: must(line.name.trim(), "edit.bad.name"),
      image: line.image.trim(),
      rarity: line.rarity,
      value: must(parseMoney(line.value), "edit.bad.money"),
      weight: must(whole(line.weight, 1), "edit.bad.weight"),
      stock: line.stock.trim() === "" ? null : must(whole(line.stock, 0), "edit.bad.stock"),
    })),
  };
}
