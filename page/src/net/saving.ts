/** Saves what changes while it is being saved: one call at a time, and of what came meanwhile only the newest. */

export type Saved = "saving" | "saved" | { refused: unknown };

export class Saving<T> {
  private next: { value: T } | null = null;
  private busy = false;
  private over = false;

  constructor(
    private readonly send: (value: T) => Promise<unknown>,
    private readonly onState: (state: Saved) => void,
  ) {}

  put(value: T): void {
    this.next = { value };
    if (!this.busy && !this.over) void this.run();
  }

  /** Send nothing more, also no second try; nobody is told what becomes of the call that is under way. */
  drop(): void {
    this.over = true;
    this.next = null;
  }

  get dropped(): boolean {
    return this.over;
  }

  private async run(): Promise<void> {
    this.busy = true;
    this.report("saving");
    let state: Saved = "saved";
    while (this.next !== null) {
      const { value } = this.next;
      this.next = null;
      state = await this.send(value).then(() => "saved" as const, (refused: unknown) => ({ refused }));
    }
    this.busy = false;
    this.report(state);
  }

  private report(state: Saved): void {
    if (!this.over) this.onState(state);
  }
}
