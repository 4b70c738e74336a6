/** Cursors are `<log>-<number>` or `<log>-<number>-end`. */

interface Cursor { log: string; number: number }

function parse(text: string): Cursor | null {
  const found = /^(.+?)-(\d+)(?:-end)?$/.exec(text);
  return found === null ? null : { log: found[1] ?? "", number: Number(found[2]) };
}

/** Whether `next` is a place after `seen`; another log always is, since it replaced the one before. */
export function isAfter(next: string, seen: string): boolean {
  const [theirs, ours] = [parse(next), parse(seen)];
  if (theirs === null || ours === null || theirs.log !== ours.log) return true;
  return theirs.number > ours.number;
}
