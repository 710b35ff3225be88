// Densities of all nuclei by class, coloured from the counts that the server makes.
import { getBytes } from "./api";
import type { Result } from "./result";
import { colourOf, state, update } from "./store";

const kept = new Map<string, Promise<Uint32Array>>();
const MOST = 120;

export function filterText(): string {
  return state.filters.map((f) => `${f.name}:${f.low}:${f.high}`).join(";");
}

/** Changes whenever densities must be drawn anew. */
export function densityKey(result: Result): string {
  const hidden = [...state.hidden].join(".");
  const colours = [...state.colours].map(([k, v]) => `${k}:${v.join(".")}`).join("_");
  const scale = state.densityMost;
  return [result.key, result.edits, hidden, colours, counted(result), scale, state.outlineOpacity].join("-");
}

const counted = (result: Result): string =>
  result === state.result && !state.catalogue.shared ? filterText() : "";

function counts(result: Result, level: number, x: number, y: number) {
  const filter = counted(result);
  const query = filter ? `?filter=${encodeURIComponent(filter)}` : "";
  const key = `${result.key}-${result.edits}-${level}-${x}-${y}-${filter}`;
  let found = kept.get(key);
  if (!found) {
    const version = result.edits ? `${query ? "&" : "?"}edits=${result.edits}` : "";
    const path = `results/${result.key}/density/${level}/${x}_${y}.bin${query}${version}`;
    found = getBytes(path).then((bytes) => new Uint32Array(bytes));
    found.catch(() => kept.delete(key));
    kept.set(key, found);
    if (kept.size > MOST) kept.delete(kept.keys().next().value!);
  }
  return found;
}

/** Area of a bin in mm². */
export function binArea(result: Result, level: number): number {
  const edge = (result.info.tile * 2 ** level) / result.info.bins;
  const [a, b] = state.slide?.mpp ?? [1, 1];
  return edge * edge * a * b * 1e-6;
}

/** Find what density gets the full colour: nearly the highest of the slide's coarsest tile. */
export async function scaleDensity(result: Result): Promise<void> {
  const level = result.info.levels - 1;
  const all = await counts(result, level, 0, 0);
  const n = result.info.bins ** 2;
  const totals: number[] = [];
  for (let bin = 0; bin < n; bin++) {
    let total = 0;
    for (let c = 0; c < result.info.classes.length; c++) total += all[c * n + bin];
    if (total) totals.push(total);
  }
  totals.sort((a, b) => a - b);
  const high = (totals[Math.floor(totals.length * 0.98)] ?? 1) / binArea(result, level);
  const step = 10 ** Math.floor(Math.log10(high));
  update({ densityMost: Math.ceil(high / step) * step });
}

export async function densityImage(
  result: Result, level: number, x: number, y: number,
): Promise<ImageData> {
  const all = await counts(result, level, x, y);
  const { bins, classes } = result.info;
  const n = bins * bins;
  const image = new ImageData(bins, bins);
  const colours = classes.map((c) => colourOf(c.id));
  const strength = 205 * state.outlineOpacity;
  const full = Math.max(1e-9, state.densityMost * binArea(result, level));
  for (let bin = 0; bin < n; bin++) {
    let total = 0, r = 0, g = 0, b = 0;
    for (let c = 0; c < classes.length; c++) {
      const k = state.hidden.has(classes[c].id) ? 0 : all[c * n + bin];
      if (!k) continue;
      total += k;
      r += k * colours[c][0];
      g += k * colours[c][1];
      b += k * colours[c][2];
    }
    if (!total) continue;
    const alpha = strength * Math.min(1, 0.15 + 0.85 * Math.sqrt(total / full));
    image.data.set([r / total, g / total, b / total, alpha], 4 * bin);
  }
  return image;
}
