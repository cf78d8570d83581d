// t() says the pages' words, which lie in words/, one file a feature: [English, Russian].
//
// Names of cases, items and people come from the club and are shown as they are.
import { createStore, kept } from "./store.js";
import admin from "./words/admin.js";
import calendar from "./words/calendar.js";
import errors from "./words/errors.js";
import frame from "./words/frame.js";
import live from "./words/live.js";
import notices from "./words/notices.js";
import player from "./words/player.js";
import talk from "./words/talk.js";

const WORDS = { ...frame, ...errors, ...notices, ...talk, ...calendar, ...player, ...admin, ...live };

const LANGS = ["en", "ru"];
const preferred = navigator.language?.toLowerCase().startsWith("ru") ? "ru" : "en";
const stored = kept.read("lang");

export const language = createStore({ lang: LANGS.includes(stored) ? stored : preferred });
export const lang = () => language.get().lang;
document.documentElement.lang = lang();

export function switchLanguage() {
  const next = lang() === "en" ? "ru" : "en";
  kept.write("lang", next);
  document.documentElement.lang = next;
  language.set({ lang: next });
}

export const knows = (key) => key in WORDS;

const plurals = Object.fromEntries(LANGS.map((code) => [code, new Intl.PluralRules(code)]));

/** Words that differ by number are {one, few, many, other} and are chosen by `values.count`. */
export function t(key, values = {}) {
  const said = WORDS[key]?.[LANGS.indexOf(lang())] ?? key;
  const words = typeof said === "string" ? said : (said[plurals[lang()].select(values.count)] ?? said.other);
  return words.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}
