/**
 * Draws at most once per frame and every 50 ms, and never for more than a share of the time: a page that takes long to
 * draw is drawn less often, so that reading, scrolling and voting stay smooth.
 */

const AT_LEAST_MS = 50;
/** A drawing is followed by a pause of so many times what it took. */
const SHARE = 6;
const AT_MOST_MS = 500;

export class Pacer {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private frame: number | null = null;
  private free = 0;

  constructor(private readonly draw: () => void) {}

  /** Something changed: draw when it is time. */
  ask(): void {
    if (this.timer !== null || this.frame !== null) return;
    this.timer = setTimeout(() => this.next(), Math.max(0, this.free - performance.now()));
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    this.draw_ = () => undefined;
  }

  private draw_ = (): void => this.draw();

  private next(): void {
    this.timer = null;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      const began = performance.now();
      this.draw_();
      const took = performance.now() - began;
      this.free = performance.now() + Math.min(AT_MOST_MS, Math.max(AT_LEAST_MS, SHARE * took));
    });
  }
}
