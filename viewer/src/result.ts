// The nuclei of one result: tiles that were loaded, columns of them, and the corrections.
import { tableFromIPC } from "apache-arrow";
import { getBytes, getJson } from "./api";
import type { Added, Edits, Filter, Histogram, ResultInfo } from "./types";

const STEPS_PER_PIXEL = 8;
const MOST_TILES = 300;

export interface Tile {
  column: number; row: number; count: number;
  ids: Uint32Array; classes: Uint8Array; x: Float32Array; y: Float32Array;
  starts: Int32Array; points: Float32Array;
  values: Map<number, Float32Array>; codes?: Uint8Array;
}

export class Result {
  readonly tiles = new Map<string, Tile>();
  private readonly waiting = new Map<string, Promise<Tile>>();
  private readonly histograms = new Map<number, Promise<Histogram>>();
  removed = new Set<number>();
  changed = new Map<number, number>();
  added: Added[] = [];
  edits = 0;
  /** Columns that every tile needs, for colours and filters. */
  columns = new Set<number>();
  /** Key of the result that this one is compared to, and whether it is the first of the two. */
  against: { first: string; second: string; mine: "first" | "second" } | null = null;

  private constructor(readonly info: ResultInfo) {}

  static async open(key: string): Promise<Result> {
    const result = new Result(await getJson<ResultInfo>(`results/${key}/info.json`));
    result.take(await getJson<Edits>(`results/${key}/edits.json`));
    return result;
  }

  get key(): string { return this.info.key; }

  /** Take over the corrections; true where there are new ones. */
  take(edits: Edits): boolean {
    const news = edits.count !== this.edits;
    this.edits = edits.count;
    this.removed = new Set(edits.removed);
    this.changed = new Map(edits.classes);
    this.added = edits.added;
    this.info.counts = edits.counts;
    if (news) this.histograms.clear();
    return news;
  }

  async tile(column: number, row: number): Promise<Tile> {
    const key = `${column}_${row}`;
    const found = this.tiles.get(key);
    if (found) {
      this.tiles.delete(key);
      this.tiles.set(key, found);
      await this.complete(found);
      return found;
    }
    let loading = this.waiting.get(key);
    if (!loading) {
      loading = this.load(column, row).finally(() => this.waiting.delete(key));
      this.waiting.set(key, loading);
    }
    return loading;
  }

  private async load(column: number, row: number): Promise<Tile> {
    const path = `results/${this.key}/nuclei/${column}_${row}.arrow`;
    const table = tableFromIPC(new Uint8Array(await getBytes(path)));
    const take = (name: string) => table.getChild(name)!.toArray();
    const outline = table.getChild("outline")!.data[0];
    const steps = (outline?.children[0].values ?? new Int16Array()) as Int16Array;
    const points = new Float32Array(steps.length);
    const centre = [(column + 0.5) * this.info.tile, (row + 0.5) * this.info.tile];
    for (let i = 0; i < steps.length; i++) points[i] = steps[i] / STEPS_PER_PIXEL + centre[i & 1];
    const tile: Tile = {
      column, row, count: table.numRows, points,
      ids: take("id"), classes: take("class"), x: take("x"), y: take("y"),
      starts: (outline?.valueOffsets ?? new Int32Array(1)) as Int32Array,
      values: new Map(),
    };
    await this.complete(tile);
    this.tiles.set(`${column}_${row}`, tile);
    for (const oldest of this.tiles.keys()) {
      if (this.tiles.size <= MOST_TILES) break;
      this.tiles.delete(oldest);
    }
    return tile;
  }

  /** Load the columns, and the codes of a comparison, that a tile lacks. */
  private async complete(tile: Tile): Promise<void> {
    const at = `${tile.column}_${tile.row}.bin`;
    const wanted = [...this.columns].filter((place) => !tile.values.has(place));
    const loads = wanted.map(async (place) => {
      const bytes = await getBytes(`results/${this.key}/values/${place}/${at}`);
      tile.values.set(place, new Float32Array(bytes));
    });
    if (this.against && !tile.codes) {
      const { first, second, mine } = this.against;
      loads.push(
        getBytes(`results/${first}/against/${second}/${at}`).then((bytes) => {
          const codes = new Uint8Array(bytes);
          tile.codes = mine === "first" ? codes.slice(0, tile.count) : codes.slice(-tile.count);
        }),
      );
    }
    await Promise.all(loads);
  }

  /** Complete all tiles that are loaded, after other columns are needed. */
  async completeAll(): Promise<void> {
    await Promise.all([...this.tiles.values()].map((tile) => this.complete(tile)));
  }

  compareTo(against: Result["against"]): void {
    this.against = against;
    for (const tile of this.tiles.values()) tile.codes = undefined;
  }

  histogram(place: number): Promise<Histogram> {
    let found = this.histograms.get(place);
    if (!found) {
      found = getJson<Histogram>(`results/${this.key}/histograms/${place}.json`);
      this.histograms.set(place, found);
    }
    return found;
  }

  /** Whether there is a nucleus after the corrections, as far as is known. */
  has(id: number): boolean {
    return !this.removed.has(id) && (id <= this.info.last_id || this.added.some((a) => a.id === id));
  }

  classOf(tile: Tile, i: number): number {
    return this.changed.get(tile.ids[i]) ?? tile.classes[i];
  }

  outline(tile: Tile, i: number): Float32Array {
    return tile.points.subarray(tile.starts[i], tile.starts[i + 1]);
  }

  /** Outline of a nucleus that is loaded or was added. */
  outlineOf(id: number): Float32Array | null {
    const added = this.added.find((a) => a.id === id);
    if (added) return new Float32Array(added.outline.flat());
    for (const tile of this.tiles.values()) {
      const i = tile.ids.indexOf(id);
      if (i >= 0) return this.outline(tile, i);
    }
    return null;
  }

  /** The nucleus at a point: the one that holds it, else the nearest centroid within reach. */
  at(x: number, y: number, reach: number, filters: Filter[], hidden: Set<number>): number | null {
    let best: { id: number; far: number } | null = null;
    const consider = (id: number, far: number) => {
      if (far <= reach && (!best || far < best.far)) best = { id, far };
    };
    for (const a of this.added) {
      if (hidden.has(a.class)) continue;
      const flat = new Float32Array(a.outline.flat());
      if (holds(flat, x, y)) consider(a.id, 0);
    }
    const column = Math.floor(x / this.info.tile), row = Math.floor(y / this.info.tile);
    for (let c = column - 1; c <= column + 1; c++) {
      for (let r = row - 1; r <= row + 1; r++) {
        const tile = this.tiles.get(`${c}_${r}`);
        if (!tile) continue;
        for (let i = 0; i < tile.count; i++) {
          const far = Math.hypot(tile.x[i] - x, tile.y[i] - y);
          if (far > 10 * reach + 100 || this.removed.has(tile.ids[i])) continue;
          if (hidden.has(this.classOf(tile, i)) || !passes(tile, i, filters)) continue;
          consider(tile.ids[i], holds(this.outline(tile, i), x, y) ? far / 1e6 : far);
        }
      }
    }
    return (best as { id: number } | null)?.id ?? null;
  }
}

export function passes(tile: Tile, i: number, filters: Filter[]): boolean {
  for (const f of filters) {
    const value = tile.values.get(f.place)?.[i];
    if (value === undefined || !(value >= f.low && value <= f.high)) return false;
  }
  return true;
}

/** Whether a ring of x, y by turns holds a point (even-odd rule). */
export function holds(ring: Float32Array, x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = ring.length - 2; i < ring.length; j = i, i += 2) {
    const [xi, yi, xj, yj] = [ring[i], ring[i + 1], ring[j], ring[j + 1]];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}
