import type { Context, View } from "../ui/context.ts";
import { h } from "../ui/dom.ts";
export function hosts(context: Context): View {
  return { element: h("section.page", null, h("h1", { tabindex: "-1" }, context.texts.hosts.heading)), title: context.texts.hosts.heading };
}
