/** Figures and times as people write them. */

export interface Figures {
  number(value: number, digits?: number): string;
  percent(value: number): string;
  /** A chance in per cent; what is only almost certain is not called certain. */
  chance(value: number): string;
  bytes(value: number): string;
  ago(time: number, now: number): string;
  /** How long it has been since `time`: "3 hours". */
  lasting(time: number, now: number): string;
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000], ["second", 1000]];

/** The largest unit that fits between two times, and how many of it. */
function steps(time: number, now: number): [Intl.RelativeTimeFormatUnit, number] {
  const [unit, size] = STEPS.find(([, step]) => now - time >= step) ?? ["second", 1000];
  return [unit, Math.round(Math.max(0, now - time) / size)];
}

export function figures(language: string): Figures {
  const whole = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 });
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  return {
    number: (value, digits = 0) =>
      new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false }).format(value),
    percent: (value) => new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: value > 0 && value < 0.01 ? 1 : 0 }).format(value),
    chance: (value) => (value >= 0.995 ? `> ${whole.format(0.99)}` : value < 0.005 ? `< ${whole.format(0.01)}` : whole.format(value)),
    bytes: (value) => `${new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(value / 1024 ** 3)} GB`,
    ago(time, now) {
      const [unit, count] = steps(time, now);
      return relative.format(-count, unit);
    },
    lasting(time, now) {
      const [unit, count] = steps(time, now);
      return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(count);
    },
  };
}

/** Seconds to wait in steps of five: an estimate that changes every second looks like a clock and is none. */
export const roundedWait = (seconds: number): number => Math.max(5, Math.ceil(seconds / 5) * 5);

export const wordCount = (text: string): number => (text.match(/[\p{L}\p{N}]+(?:['’\-][\p{L}\p{N}]+)*/gu) ?? []).length;
