// The part of the address behind "#": whoever opens it sees the same view.
import { state, watch } from "./store";

export interface Link {
  slide?: string; result?: string; x?: number; y?: number; zoom?: number; hidden?: number[];
  tab?: string; with?: string; compare?: string; colour?: string; filters?: string;
}

export function readLink(): Link {
  const found = new URLSearchParams(location.hash.slice(1));
  const number = (name: string) => {
    const text = found.get(name);
    return text !== null && Number.isFinite(Number(text)) ? Number(text) : undefined;
  };
  const text = (name: string) => found.get(name) ?? undefined;
  return {
    slide: text("slide"), result: text("result"), x: number("x"), y: number("y"), zoom: number("zoom"),
    hidden: text("hidden")?.split(",").map(Number).filter(Number.isFinite),
    tab: text("tab"), with: text("with"), compare: text("compare"), colour: text("colour"),
    filters: text("filters"),
  };
}

export function linkOf(): string {
  const parts = new URLSearchParams();
  const session = new URLSearchParams(location.hash.slice(1)).get("session");
  const columns = state.result?.info.columns;
  if (state.slide) {
    parts.set("slide", state.slide.name);
    if (state.result) parts.set("result", state.result.info.name);
    parts.set("x", state.x.toFixed(1));
    parts.set("y", state.y.toFixed(1));
    parts.set("zoom", state.zoom.toFixed(3));
    if (state.hidden.size) parts.set("hidden", [...state.hidden].join(","));
    if (state.tab !== "nuclei") parts.set("tab", state.tab);
    if (state.other) parts.set("with", state.other.info.name);
    if (state.compare !== "off") parts.set("compare", state.compare);
    const colour = columns?.find((c) => c.place === state.colourBy);
    if (colour) parts.set("colour", colour.name);
    const filters = state.filters.map((f) => `${f.name}:${f.low}:${f.high}`).join(";");
    if (filters) parts.set("filters", filters);
  }
  if (session) parts.set("session", session);
  return `#${parts}`;
}

export function followLink(): void {
  let timer = 0;
  watch(["slide", "result", "other", "x", "y", "zoom", "hidden", "tab", "compare", "colourBy", "filters"], () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => history.replaceState(null, "", linkOf()), 250);
  });
}
