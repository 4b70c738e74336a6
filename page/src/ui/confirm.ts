/** A question before something that can't be taken back. */

import { h } from "./dom.ts";

/** Ask it in a dialog; whether the answer is yes. */
export function confirmed(question: string, yes: string, no: string): Promise<boolean> {
  const sure = h("button.button.danger", { type: "button" }, yes);
  const not = h("button.button", { type: "button", autofocus: true }, no);
  const dialog = h("dialog.ask", { "aria-labelledby": "question-asked" }, h("p", { id: "question-asked" }, question), h("div.tools", null, not, sure));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((done) => {
    const answer = (said: boolean): void => {
      dialog.close();
      dialog.remove();
      done(said);
    };
    sure.addEventListener("click", () => answer(true));
    not.addEventListener("click", () => answer(false));
    dialog.addEventListener("cancel", () => answer(false));
  });
}
