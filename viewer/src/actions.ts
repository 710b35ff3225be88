// What a person does to nuclei and regions, whichever key, button or shape it came from.
import { getJson, send } from "./api";
import { count } from "./dom";
import { restyle, ringsOf } from "./layers";
import { passes } from "./result";
import { showBox, showPoint } from "./stage";
import { say, trying } from "./status";
import { perPixel, state, update, type Tool } from "./store";
import type { Edits, Geometry, Nucleus, Region, Ring } from "./types";

/** Everything that depends on the style is drawn anew. */
export function restyled(): void {
  restyle();
  update({ filters: [...state.filters] });
}

export async function select(ids: number[]): Promise<void> {
  update({ selected: ids, nucleus: null });
  const last = ids.at(-1);
  if (last === undefined || !state.result) return;
  const found = await lookUp(last);
  if (found && state.selected.at(-1) === last) update({ nucleus: found });
}

async function lookUp(id: number): Promise<Nucleus | undefined> {
  const result = state.result!;
  if (!state.catalogue.shared) {
    return trying(() => getJson<Nucleus>(`results/${result.key}/find/${id}.json`));
  }
  for (const tile of result.tiles.values()) {
    const i = tile.ids.indexOf(id);
    if (i < 0) continue;
    for (const { place } of result.info.columns) result.columns.add(place);
    await result.tile(tile.column, tile.row);
    const values = result.info.columns.map(({ name, place }) => [name, tile.values.get(place)?.[i] ?? null]);
    return { id, x: tile.x[i], y: tile.y[i], class: result.classOf(tile, i), values: Object.fromEntries(values) };
  }
  say("In a shared folder only nuclei that were seen can be looked up.");
  return undefined;
}

export function clickAt(x: number, y: number, add: boolean): void {
  const { result } = state;
  if (!result) return;
  const id = result.at(x, y, 6 * perPixel(), state.filters, state.hidden);
  if (id === null) return state.several ? undefined : void select([]);
  const others = state.selected.filter((other) => other !== id);
  void select(add || state.several ? (others.length < state.selected.length ? others : [...others, id]) : [id]);
}

export async function goTo(id: number): Promise<void> {
  const found = await lookUp(id);
  if (!found) return;
  update({ selected: [id], nucleus: found });
  showPoint(found.x, found.y);
}

/** The next, or previous, of the nuclei that are seen, from left to right and down. */
export function step(by: 1 | -1): void {
  const { result } = state;
  if (!result) return;
  const half = [state.width / 2, state.height / 2].map((v) => v * perPixel());
  const seen: [number, number, number][] = [];
  for (const tile of result.tiles.values()) {
    for (let i = 0; i < tile.count; i++) {
      const [dx, dy] = [tile.x[i] - state.x, tile.y[i] - state.y];
      if (Math.abs(dx) > half[0] || Math.abs(dy) > half[1]) continue;
      if (result.removed.has(tile.ids[i]) || state.hidden.has(result.classOf(tile, i))) continue;
      if (!passes(tile, i, state.filters)) continue;
      seen.push([Math.round(tile.y[i] / (40 * perPixel())), tile.x[i], tile.ids[i]]);
    }
  }
  seen.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  if (!seen.length) return;
  const now = seen.findIndex(([, , id]) => id === state.selected.at(-1));
  const next = now < 0 ? (by > 0 ? 0 : seen.length - 1) : (now + by + seen.length) % seen.length;
  void select([seen[next][2]]);
}

/** Make a correction; what was added by it is selected, so that a key gives it another class. */
export async function correct(request: Record<string, unknown>, done: string): Promise<void> {
  const { result, catalogue } = state;
  if (!result) return;
  if (!catalogue.may.edit) return say("Nothing is written here: start `karyoscope view` with --edit to correct.");
  const edits = await trying(() => send<Edits>(`results/${result.key}/edits`, request));
  if (!edits) return;
  result.take(edits);
  say(done);
  const made = edits.entry?.add?.map((a) => a.id) ?? [];
  const left = made.length ? made : state.selected.filter((id) => result.has(id));
  restyled();
  update({ result, selected: left });
  if (left.length) await select(left);
}

export function giveClass(place: number): void {
  const { result, selected } = state;
  const found = result?.info.classes[place];
  if (!found) return;
  if (!selected.length) return say("Select a nucleus first.");
  const what = selected.length === 1 ? "nucleus" : `${count(selected.length)} nuclei`;
  void correct({ kind: "class", ids: selected, class: found.id }, `${what} → ${found.name}`);
}

export const erase = (): void => {
  if (!state.selected.length) return say("Select a nucleus first.");
  void correct({ kind: "delete", ids: state.selected }, "deleted");
};
export const merge = (): void => void correct({ kind: "merge", ids: state.selected }, "merged");
export const undo = (): void => void correct({ kind: "undo" }, "taken back");

/** Class that a new nucleus gets: that of the selected one, else the first. */
function newClass(): number {
  return state.nucleus?.class ?? state.result?.info.classes[1]?.id ?? 0;
}

function add(outline: Ring, classId: number, how: string): Promise<void> {
  const name = state.result?.info.classes.find((c) => c.id === classId)?.name ?? "unclassified";
  return correct({ kind: "add", outline, class: classId }, `${how}: ${name}`);
}

export async function finishShape(tool: Tool, shape: Ring): Promise<void> {
  if (tool === "add") return add(shape, newClass(), "added");
  if (tool === "split") {
    return correct({ kind: "split", ids: state.selected.slice(-1), line: shape }, "split");
  }
  if (tool === "segment") {
    const [[x, y]] = shape;
    say("The model looks …", 0);
    const found = await trying(() => send<{ outline: Ring; class: number | null }>(`results/${state.result!.key}/segment`, { x, y }));
    if (found) await add(found.outline, found.class ?? newClass(), "added by the model");
    return;
  }
  addRegions([region(`Region ${state.regions.length + 1}`, [shape])]);
  update({ tab: "regions", panelOpen: true });
}

export function region(name: string, rings: Ring[]): Region {
  const closed = rings.map((ring) => [...ring, ring[0]] as Ring);
  return {
    type: "Feature",
    geometry: { type: "Polygon", coordinates: closed },
    properties: { objectType: "annotation", name, reviewed: false },
  };
}

export function addRegions(found: Region[]): void {
  const regions = [...state.regions, ...found];
  setRegions(regions, regions.length - 1);
}

export function setRegions(regions: Region[], at: number | null): void {
  restyle();
  update({ regions, region: at });
  void keepRegions();
}

const localKey = (): string => `karyoscope-regions-${state.slide?.name}-${state.result?.info.name}`;

async function keepRegions(): Promise<void> {
  const { result, catalogue, regions } = state;
  const data = { type: "FeatureCollection", features: regions };
  if (result && catalogue.may.edit) {
    await trying(() => send(`results/${result.key}/regions`, data, "PUT"));
    return;
  }
  try {
    localStorage.setItem(localKey(), JSON.stringify(data));
  } catch {
    say("This browser keeps no regions; save them as a file.");
  }
}

export async function loadRegions(): Promise<void> {
  const { result, catalogue } = state;
  let regions: Region[] = [];
  if (result) {
    const saved = await trying(() => getJson<{ features: Region[] }>(`results/${result.key}/regions.geojson`));
    regions = saved?.features ?? [];
  }
  if (!regions.length && !catalogue.may.edit) {
    try {
      regions = (JSON.parse(localStorage.getItem(localKey()) ?? "{}").features as Region[]) ?? [];
    } catch {
      regions = [];
    }
  }
  update({ regions, region: null });
}

export function showRegion(geometry: Geometry): void {
  const points = ringsOf(geometry.coordinates).flat();
  const [xs, ys] = [points.map((p) => p[0]), points.map((p) => p[1])];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  showBox(left, top, Math.max(...xs) - left, Math.max(...ys) - top);
}

let openSlide: (key: string) => Promise<void> = async () => {};
/** How another slide is opened, where the next place of the queue is on one. */
export const startQueue = (open: typeof openSlide): void => { openSlide = open; };

/** The place of the queue that is so far on. */
export async function stepQueue(by: 1 | -1): Promise<void> {
  const queue = state.catalogue.queue;
  if (!queue.length) return;
  const place = Math.min(queue.length - 1, Math.max(0, state.place + by));
  update({ place });
  const at = queue[place];
  if (at.slide !== state.slide?.key) await openSlide(at.slide);
  showBox(at.x, at.y, at.width, at.height);
}

export function markReviewed(): void {
  const here = state.catalogue.queue[state.place];
  const chosen = state.tab === "regions" && state.region !== null;
  const at = !chosen && here?.slide === state.slide?.key ? here : undefined;
  const ring: Ring = at
    ? [[at.x, at.y], [at.x + at.width, at.y], [at.x + at.width, at.y + at.height], [at.x, at.y + at.height]]
    : [];
  if (at) {
    const made = region(`Reviewed ${state.place + 1}`, [ring]);
    made.properties.reviewed = true;
    addRegions([made]);
    void stepQueue(1);
  } else if (state.region !== null) {
    const regions = state.regions.map((r, i) =>
      i === state.region ? { ...r, properties: { ...r.properties, reviewed: !r.properties.reviewed } } : r,
    );
    setRegions(regions, state.region);
  } else say("Select a region first, or open a queue with --queue.");
}
