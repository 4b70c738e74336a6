import type { Context, View } from "../ui/context.ts";
import { h } from "../ui/dom.ts";
export function board(context: Context): View {
  return { element: h("section.page", null, h("h1", { tabindex: "-1" }, context.texts.board.heading)), title: context.texts.board.heading };
}
