/** Names of models as they are shown: one must not pass for another, or draw over the page. `app/legible.py` is the same. */

const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;
const ESCAPES: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(sign: string): string {
  const code = sign.codePointAt(0) ?? 0;
  const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return ESCAPES[sign] ?? `\\${letter}${code.toString(16).padStart(digits, "0")}`;
}

/** The name with what can't be seen as escapes, in quotes where blanks would mislead; a plain one as it is. */
export function visible(name: string): string {
  const seen = name.replace(INVISIBLE, escaped);
  return seen === "" || seen !== seen.trim() || seen.includes("  ") ? `"${seen}"` : seen;
}
