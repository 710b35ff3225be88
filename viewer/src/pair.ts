// The two results that are compared: which is scored, which it is scored against, and in what words.
import { state } from "./store";
import type { Result } from "./result";

/** Whether a person annotated a result. */
function annotated(key: string): boolean {
  return state.catalogue.slides.some((s) => s.results.some((r) => r.key === key && r.annotated));
}

/** The first is scored against the second: an annotation is never scored against a prediction. */
export function inOrder(shown: Result, other: Result): [Result, Result] {
  return annotated(shown.key) && !annotated(other.key) ? [other, shown] : [shown, other];
}

export interface Pair { first: Result; second: Result; truth: boolean }

export function pair(): Pair | null {
  const { result, other } = state;
  if (!result || !other) return null;
  const [first, second] = inOrder(result, other);
  return { first, second, truth: annotated(second.key) && !annotated(first.key) };
}

/** Words for the codes: an annotation can be missed; of two models neither is the truth. */
export function codeNames(): string[] {
  const two = pair();
  if (!two || two.truth) return ["agrees", "other class", "extra", "missed"];
  return ["agree", "other class", `only in ${two.first.info.name}`, `only in ${two.second.info.name}`];
}

export function scoreNames(): [string, string, string] {
  const two = pair();
  if (!two || two.truth) return ["precision", "recall", "F1 of detection"];
  const [a, b] = [two.first.info.name, two.second.info.name];
  return [`of ${a}, also in ${b}`, `of ${b}, also in ${a}`, "both ways (F1)"];
}
