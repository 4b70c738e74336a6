/**
 * On a phone the answers stand one above the other. A bar on top tells both states and leads from one to the other; so
 * does a swipe sideways, and each answer is found again where it was left.
 */

import { SIDES, type Side, type Snapshot } from "../store/types.ts";
import type { Context } from "../ui/context.ts";
import { attribute, h, text } from "../ui/dom.ts";
import type { Pane } from "./pane.ts";

const SWIPE_PX = 60;
/** Longer than this a finger selects or scrolls. */
const SWIPE_MS = 700;

export class Switch {
  readonly element: HTMLElement;
  private readonly links: Record<Side, { button: HTMLButtonElement; label: HTMLElement }>;
  private readonly left: Partial<Record<Side, number>> = {};
  private readonly seen = new Set<Side>();
  private readonly visible = new Set<Side>();
  private readonly observer: IntersectionObserver;
  private touch: { x: number; y: number; at: number } | null = null;

  constructor(
    context: Context,
    pair: HTMLElement,
    private readonly panes: Record<Side, Pane>,
  ) {
    const words = context.texts.battle;
    this.links = { a: this.link("a"), b: this.link("b") };
    const buttons = SIDES.map((side) => this.links[side].button);
    this.element = h("nav.switch", { "aria-label": words.switch, title: words.sideways }, buttons);
    this.observer = new IntersectionObserver((entries) => this.observed(entries), { rootMargin: "-15% 0px -20% 0px" });
    for (const side of SIDES) this.observer.observe(panes[side].element);
    pair.addEventListener("touchstart", this.began, { passive: true });
    pair.addEventListener("touchend", this.ended, { passive: true });
  }

  leave(): void {
    this.observer.disconnect();
  }

  update(snapshot: Snapshot): void {
    for (const side of SIDES) {
      text(this.links[side].label, snapshot.sides[side].alias);
      attribute(this.links[side].button, "data-state", snapshot.sides[side].state);
    }
  }

  /** A side that was never on screen, if there is one: nobody should judge an answer unseen. */
  unread(): Side | null {
    return SIDES.find((side) => !this.seen.has(side)) ?? null;
  }

  private link(side: Side): { button: HTMLButtonElement; label: HTMLElement } {
    const label = h("span");
    const button = h(`button.side-${side}`, { type: "button" }, h("span.dot", { "aria-hidden": "true" }), label);
    button.addEventListener("click", () => this.goTo(side));
    return { button, label };
  }

  private observed(entries: IntersectionObserverEntry[]): void {
    for (const entry of entries) {
      const side = SIDES.find((one) => this.panes[one].element === entry.target);
      if (side === undefined) continue;
      if (entry.isIntersecting) {
        this.seen.add(side);
        this.visible.add(side);
      } else this.visible.delete(side);
    }
    for (const side of SIDES) attribute(this.links[side].button, "aria-current", this.current() === side ? "true" : null);
  }

  private current(): Side {
    return this.visible.has("a") ? "a" : "b";
  }

  private goTo(side: Side): void {
    const here = this.current();
    if (here !== side) this.left[here] = window.scrollY - this.top(here);
    window.scrollTo({ top: this.top(side) + (this.left[side] ?? 0), behavior: "instant" });
  }

  private top(side: Side): number {
    return this.panes[side].element.getBoundingClientRect().top + window.scrollY - this.element.offsetHeight - 8;
  }

  private stacked(): boolean {
    return getComputedStyle(this.element).display !== "none";
  }

  private readonly began = (event: TouchEvent): void => {
    const finger = event.touches.length === 1 ? event.touches[0] : undefined;
    const scrolls = (event.target as Element).closest(".wide, pre, button, a, input") !== null;
    this.touch = finger === undefined || scrolls ? null : { x: finger.clientX, y: finger.clientY, at: event.timeStamp };
  };

  private readonly ended = (event: TouchEvent): void => {
    const finger = event.changedTouches[0];
    if (this.touch === null || finger === undefined || !this.stacked()) return;
    const [dx, dy] = [finger.clientX - this.touch.x, finger.clientY - this.touch.y];
    const selecting = (document.getSelection()?.toString() ?? "") !== "";
    if (Math.abs(dx) < SWIPE_PX || Math.abs(dy) > Math.abs(dx) / 2 || event.timeStamp - this.touch.at > SWIPE_MS || selecting) return;
    this.goTo(dx < 0 ? "b" : "a");
  };
}
