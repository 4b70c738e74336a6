/** What answers need beside their text: colours and mathematics come when the first code or formula does. */

import type { Tools } from "../markdown/render.ts";
import type { Context } from "../ui/context.ts";

const idle = (work: () => void): void => {
  if ("requestIdleCallback" in window) requestIdleCallback(work, { timeout: 1000 });
  else setTimeout(work, 50);
};

export function tools(context: Context): Tools {
  return {
    words: context.texts.markdown,
    highlight(code, source, language) {
      void import("../markdown/highlight.ts").then(({ colour }) => idle(() => colour(code, source, language)));
    },
    typeset(target, source, display) {
      void import("../markdown/math.ts").then(({ typeset }) => typeset(target, source, display));
    },
  };
}
