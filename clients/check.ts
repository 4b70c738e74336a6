// What the page of a front-end developer does, with types from docs/openapi.json: it must compile, never run.
import type { components, operations, paths } from "./api";

type Snapshot = components["schemas"]["BattleSnapshot"];
type Events = components["schemas"]["BattleEvents"];
type Opened = paths["/api/arena/battles"]["post"]["responses"][201]["content"]["application/json"];
type Refusal = operations["vote"]["responses"]["default"]["content"]["application/json"];

export async function open(message: string): Promise<Opened | Refusal> {
  const body: components["schemas"]["OpenBody"] = { message, num_models: 3 };
  const reply = await fetch("/api/arena/battles", { method: "POST", body: JSON.stringify(body) });
  return (await reply.json()) as Opened | Refusal;
}

export function apply<Name extends keyof Events>(now: Snapshot, name: Name, data: Events[Name]): Snapshot {
  if (name === "delta") {
    const { side, text } = data as Events["delta"];
    const sides = { ...now.sides, [side]: { ...now.sides[side], text: now.sides[side].text + text } };
    return { ...now, sides };
  }
  if (name === "end") {
    const { status, reveal } = data as Events["end"];
    return { ...now, status, reveal, can_vote: false };
  }
  return now;
}

export function champion(now: Snapshot): string | null {
  // @ts-expect-error nothing is revealed before the end
  const blind: string | null = now.reveal.champion;
  return now.reveal === null ? blind : now.reveal.champion;
}

export const verdict: operations["vote"]["requestBody"]["content"]["application/json"] = { round: 1, verdict: "both_bad" };
// @ts-expect-error an older word is no verdict
export const wrong: components["schemas"]["Verdict"] = "left";
