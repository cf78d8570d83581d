// An error as a sentence in the reader's language.
import { knows, t } from "./i18n.js";

function fieldList(fields) {
  const said = (what) => (Array.isArray(what) ? what.join(" ") : typeof what === "object" ? fieldList(what) : String(what));
  return Object.entries(fields)
    .map(([name, what]) => `${name}: ${said(what)}`)
    .join("; ");
}

export function sentence(error) {
  if (error.status === undefined) return error.message;
  if (error.status === 429) return t("error.too_many_requests", { seconds: Math.max(1, Math.ceil(error.retryAfterS)) });
  if (error.status === 503) return t("error.unavailable");
  if (error.status >= 500) return t("error.internal", { id: error.requestId || error.status });
  if (Object.keys(error.fields).length) return t("error.validation", { fields: fieldList(error.fields) });
  const key = `error.${error.code}`;
  return knows(key) ? t(key) : error.message;
}
