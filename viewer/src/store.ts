// What the page shows, in one place. Whoever changes it says what; whoever shows it is called.
import type { Result } from "./result";
import type { Agreement, Catalogue, Filter, Histogram, Nucleus, Region, SlideInfo } from "./types";

export type Tool = "look" | "polygon" | "rectangle" | "circle" | "add" | "split" | "segment";
export type Tab = "nuclei" | "regions" | "compare" | "correct";

export interface State {
  catalogue: Catalogue;
  slide: SlideInfo | null;
  result: Result | null;
  other: Result | null;
  /** Centre of the view in pixels of level 0, and its zoom: 0 is one pixel on one. */
  x: number; y: number; zoom: number;
  hidden: Set<number>;
  colours: Map<number, [number, number, number]>;
  outlineOpacity: number; fillOpacity: number; nucleiShown: boolean;
  colourBy: number | null;
  colourRange: Histogram | null;
  filters: Filter[];
  selected: number[]; several: boolean;
  nucleus: Nucleus | null;
  tab: Tab; panelOpen: boolean;
  tool: Tool; sketch: [number, number][];
  regions: Region[]; region: number | null;
  compare: "off" | "side" | "over"; agreement: Agreement | null;
  place: number;
  message: string; busy: string;
  densityMost: number;
  width: number; height: number;
}

type Key = keyof State;
const watchers: { keys: Set<Key>; call: () => void }[] = [];
const dirty = new Set<Key>();
let scheduled = false;

export const state: State = {
  catalogue: { slides: [], cohort: [], may: { edit: false, segment: false }, queue: [] },
  slide: null, result: null, other: null,
  x: 0, y: 0, zoom: 0,
  hidden: new Set(), colours: new Map(),
  outlineOpacity: 0.95, fillOpacity: 0.15, nucleiShown: true,
  colourBy: null, colourRange: null, filters: [],
  selected: [], several: false, nucleus: null,
  tab: "nuclei", panelOpen: innerWidth > 720,
  tool: "look", sketch: [],
  regions: [], region: null,
  compare: "off", agreement: null, place: -1,
  message: "", busy: "", densityMost: 0,
  width: innerWidth, height: innerHeight,
};

export function update(changes: Partial<State>): void {
  Object.assign(state, changes);
  for (const key of Object.keys(changes)) dirty.add(key as Key);
  if (scheduled) return;
  scheduled = true;
  queueMicrotask(() => {
    scheduled = false;
    const keys = new Set(dirty);
    dirty.clear();
    for (const w of watchers) if ([...w.keys].some((k) => keys.has(k))) w.call();
  });
}

/** Call back when one of these changes, and once now. */
export function watch(keys: Key[], call: () => void): void {
  watchers.push({ keys: new Set(keys), call });
  call();
}

/** Pixels of level 0 on one pixel of the screen, and what that is in µm. */
export const perPixel = (): number => 2 ** -state.zoom;
export const screenMpp = (): number => perPixel() * (state.slide?.mpp[0] ?? 1);

export function colourOf(classId: number): [number, number, number] {
  const own = state.colours.get(classId);
  if (own) return own;
  return state.result?.info.classes.find((c) => c.id === classId)?.color ?? [128, 128, 128];
}

/** Most µm on a pixel at which outlines are drawn; beyond, all nuclei are shown as densities. */
export function outlineLimit(): number {
  const most = Math.sqrt(8e6 / Math.max(1, state.width * state.height));
  return Math.min(2, Math.max(0.4, most));
}
export const showsOutlines = (): boolean => screenMpp() <= outlineLimit();
