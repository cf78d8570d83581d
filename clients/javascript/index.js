// CyberHub's client kit: one ES module without a build step.
export { CyberHub } from "./lib/client.js";
export { ApiError } from "./lib/http.js";
export { describe } from "./lib/indicator.js";
