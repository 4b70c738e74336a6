/** What can be done after the end of a battle. */

import { copyText } from "../markdown/render.ts";
import type { Opening } from "../net/api.ts";
import type { Snapshot } from "../store/types.ts";
import type { Context } from "../ui/context.ts";
import { h, text } from "../ui/dom.ts";
import type { Mine } from "../ui/stored.ts";
import { begin, sentence } from "./home.ts";

/** After the end: a new battle, the link to this one, the same question again. */
export function endActions(context: Context, snapshot: Snapshot, mine: Mine | undefined): HTMLElement {
  const words = context.texts.battle;
  const share = h("button.button", { type: "button" }, words.share);
  share.addEventListener("click", () => void copyText(location.href).then(() => text(share, words.shared)));
  const trouble = h("p.trouble", { role: "alert" });
  const failed = snapshot.status === "failed";
  const again = h("button.button", { type: "button" }, failed ? words.retry : words.others);
  again.addEventListener("click", () => {
    again.disabled = true;
    const opening: Opening = {
      message: snapshot.message,
      ...(failed && mine?.models !== undefined ? { models: mine.models } : {}),
      ...(mine?.system === undefined ? {} : { system: mine.system }),
    };
    begin(context, opening, (wait) => text(trouble, context.texts.home.retryIn(Math.ceil(wait)))).then(context.navigate, (error: unknown) => {
      again.disabled = false;
      text(trouble, sentence(error, context));
    });
  });
  return h("div.actions", null, h("a.button.main", { href: "/" }, words.fresh), again, share, trouble);
}
