/** Character references of HTML, which Markdown has too; names that models write. */

const NAMED: Record<string, string> = {
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©", reg: "®", trade: "™", hellip: "…", ndash: "–", mdash: "—",
  lsquo: "‘", rsquo: "’", ldquo: "“", rdquo: "”", laquo: "«", raquo: "»", bull: "•", middot: "·", times: "×", divide: "÷", plusmn: "±",
  minus: "−", deg: "°", micro: "µ", para: "¶", sect: "§", euro: "€", pound: "£", yen: "¥", cent: "¢", larr: "←", uarr: "↑", rarr: "→",
  darr: "↓", harr: "↔", rArr: "⇒", lArr: "⇐", hArr: "⇔", le: "≤", ge: "≥", ne: "≠", asymp: "≈", equiv: "≡", infin: "∞", sum: "∑", prod: "∏",
  radic: "√", int: "∫", part: "∂", nabla: "∇", isin: "∈", notin: "∉", cap: "∩", cup: "∪", sub: "⊂", sup: "⊃", forall: "∀", exist: "∃",
  alpha: "α", beta: "β", gamma: "γ", delta: "δ", epsilon: "ε", theta: "θ", lambda: "λ", mu: "μ", pi: "π", sigma: "σ", phi: "φ", omega: "ω",
  Delta: "Δ", Sigma: "Σ", Omega: "Ω", frac12: "½", frac14: "¼", frac34: "¾", szlig: "ß", auml: "ä", ouml: "ö", uuml: "ü", eacute: "é",
  emsp: "\u2003", ensp: "\u2002", thinsp: "\u2009", shy: "\u00ad", zwj: "\u200d", zwnj: "\u200c", check: "✓", star: "☆", hearts: "♥",
};

function character(code: number): string {
  const allowed = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  return allowed ? String.fromCodePoint(code) : "\ufffd";
}

/** The text that `text` stands for; unknown names stay as they are. */
export function decoded(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|([a-z][a-z0-9]{1,30}));/gi, (all, hex?: string, number?: string, name?: string) => {
    if (hex !== undefined) return character(parseInt(hex, 16));
    if (number !== undefined) return character(Number(number));
    return name !== undefined && Object.hasOwn(NAMED, name) ? (NAMED[name] ?? all) : all;
  });
}
