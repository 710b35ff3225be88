// What the page says: one line that goes away, or a problem that stays until it is read.
import { Problem } from "./api";
import { update } from "./store";

let timer = 0;

export function say(message: string, seconds = 5): void {
  clearTimeout(timer);
  update({ message });
  if (message && seconds) timer = window.setTimeout(() => update({ message: "" }), 1000 * seconds);
}

/** Show what went wrong; requests that were given up are no problem. */
export function report(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  const text = error instanceof Error ? error.message : String(error);
  if (!(error instanceof Problem)) console.error(error);
  say(text, 0);
}

/** Run something that may fail, and show why it did. */
export async function trying<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    report(error);
    return undefined;
  }
}
