/**
 * What a screen reader hears. The answers are no live regions: thousands of tokens would bury everything else. One polite
 * status says who writes and what to do, at most one message a second, the latest wins; one alert is for lost battles.
 */

import { h } from "./dom.ts";

const PAUSE_MS = 1000;

export class Announcer {
  readonly element: HTMLElement;
  private readonly status = h("div", { role: "status" });
  private readonly alerts = h("div", { role: "alert" });
  private waiting: string | null = null;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor() {
    this.element = h("div.unseen", { id: "announcer" }, this.status, this.alerts);
  }

  say(text: string): void {
    this.waiting = text;
    if (this.timer === null) this.next();
  }

  alert(text: string): void {
    this.alerts.textContent = text;
  }

  private next(): void {
    this.timer = null;
    if (this.waiting === null) return;
    this.status.textContent = this.waiting;
    this.waiting = null;
    this.timer = setTimeout(() => this.next(), PAUSE_MS);
  }
}
