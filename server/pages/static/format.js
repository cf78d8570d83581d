// Numbers and times as the reader's language writes them.
import { lang } from "./i18n.js";
import { kept } from "./store.js";

const cache = new Map();

/** Intl objects are slow to make and many lines need the same one. */
export function intl(Kind, options) {
  const key = `${Kind.name} ${lang()} ${JSON.stringify(options)}`;
  if (!cache.has(key)) cache.set(key, new Kind(lang(), options));
  return cache.get(key);
}

// The currency is known from /api/me only; a visitor sees the one of the last visit, or plain numbers.
let currency = kept.read("currency");

export function setCurrency(code) {
  if (!code || code === currency) return;
  currency = code;
  kept.write("currency", code);
}

export function money(amount, { signed = false } = {}) {
  const options = {
    minimumFractionDigits: Number.isInteger(amount) ? 0 : 2,
    maximumFractionDigits: 2,
    signDisplay: signed ? "exceptZero" : "auto",
  };
  if (currency) Object.assign(options, { style: "currency", currency, currencyDisplay: "narrowSymbol" });
  return intl(Intl.NumberFormat, options).format(amount);
}

/** "1 234,50" or "1234.5" → 1234.5; null for what is no amount with at most two decimals. */
export function parseMoney(text) {
  const plain = String(text).replace(/[\s\u00a0\u202f]/g, "").replace(",", ".");
  return /^\d{1,12}(\.\d{1,2})?$/.test(plain) ? Number(plain) : null;
}

export function percent(fraction) {
  // Small chances need their digits: 0.05 % is not 0 %.
  const digits = fraction >= 0.1 ? 1 : fraction >= 0.01 ? 2 : 4;
  return intl(Intl.NumberFormat, { style: "percent", maximumFractionDigits: digits }).format(fraction);
}

export const number = (value) => intl(Intl.NumberFormat, {}).format(value);

export const clock = (iso) => intl(Intl.DateTimeFormat, { hour: "2-digit", minute: "2-digit" }).format(new Date(iso));

export const moment = (iso) =>
  intl(Intl.DateTimeFormat, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(new Date(iso));

/** "3 min ago", for what is recent. */
export function ago(iso) {
  const seconds = Math.round((new Date(iso) - Date.now()) / 1000);
  const [value, unit] =
    seconds > -60 ? [seconds, "second"] : seconds > -3600 ? [Math.round(seconds / 60), "minute"] : [Math.round(seconds / 3600), "hour"];
  if (unit === "hour" && value < -23) return moment(iso);
  return intl(Intl.RelativeTimeFormat, { numeric: "auto", style: "short" }).format(Math.min(value, 0), unit);
}
