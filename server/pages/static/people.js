// Names of people, which others choose: they must not turn the sentence around them.

const ISOLATE = "\u2068";
const END = "\u2069";

/** A name for the middle of a sentence; whatever direction it is written in stays inside it. */
export const plain = (name) => `${ISOLATE}${name}${END}`;

const STAFF = new Set(["staff", "admin"]);

export const isStaff = (person) => STAFF.has(person?.role);
