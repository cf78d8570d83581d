// A cursor is a place in the club's event log: the log's epoch, a dot, a position.

/** Whether cursor `a` stands after cursor `b`; null stands before everything. */
export function isAfter(a, b) {
  if (b === null) return true;
  const [epochA, positionA] = split(a);
  const [epochB, positionB] = split(b);
  // Places in two logs have no order; a log that was replaced is told by `resync`.
  if (epochA !== epochB) return true;
  // Positions outgrow the exact integers, so they are compared as the text they are.
  return positionA.length === positionB.length ? positionA > positionB : positionA.length > positionB.length;
}

function split(cursor) {
  const dot = cursor.lastIndexOf(".");
  return [cursor.slice(0, dot), cursor.slice(dot + 1)];
}
