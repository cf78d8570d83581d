// The pictures that the club brings along, for the admin to choose from.
const named = (kind, names) => names.map((name) => `/static/art/${kind}-${name}.svg`);

export const CASE_ART = named("case", ["starter", "neon", "weekend", "legend"]);
export const ITEM_ART = named("item", [
  "hours", "energy", "sticker", "tshirt", "mouse", "headset", "keyboard", "chair", "gpu", "coins", "skin", "trophy",
]);
