// Regions: draw, name, measure, review, save, import.
import { addRegions, markReviewed, region as makeRegion, setRegions, showRegion } from "../actions";
import { send } from "../api";
import { filterText } from "../density";
import { pick } from "../draw";
import { count, fill, h, percent, save, short } from "../dom";
import { ringsOf } from "../layers";
import { say, trying } from "../status";
import { state, update, watch, type Tool } from "../store";
import type { Measure, Region } from "../types";
import { dot } from "./classes";

const TOOLS: [Tool, string, string][] = [
  ["polygon", "Polygon", "P"], ["rectangle", "Rectangle", "B"], ["circle", "Circle", "O"],
];

export function toolbar(tools: [Tool, string, string][]): HTMLElement {
  const root = h("div", { class: "tools", role: "group" });
  watch(["tool"], () => fill(root, tools.map(([tool, text, key]) =>
    h("button", { type: "button", "data-key": tool, "aria-pressed": String(state.tool === tool), onclick: () => pick(tool) },
      text, " ", h("kbd", {}, key)))));
  return root;
}

export function regionsPart(): HTMLElement {
  const list = h("ul", { class: "regions" }), body = h("div", { class: "measure" });
  const file = h("input", { type: "file", accept: ".geojson,.json", class: "hidden", id: "import", tabindex: -1,
    onchange: () => void importFile(file) });
  watch(["regions", "region"], () => {
    fill(list, !state.regions.length ? h("li", { class: "note" }, "Draw a region on the slide, or import GeoJSON: what lies in it is counted here.") : state.regions.map((r, place) => h("li", { class: place === state.region ? "on" : "" },
      h("button", { type: "button", class: "go", "data-key": `go-${place}`, title: "Show on the slide",
        "aria-pressed": String(place === state.region),
        onclick: () => { update({ region: place }); showRegion(r.geometry); } }, r.properties.reviewed ? "✓" : "◯"),
      h("input", { type: "text", value: r.properties.name, "data-key": `name-${place}`, "aria-label": "Name of the region", maxlength: 200,
        onfocus: () => state.region !== place && update({ region: place }),
        onchange: (e: Event) => rename(place, (e.target as HTMLInputElement).value) }),
      h("button", { type: "button", class: "plain", "aria-label": `Delete ${r.properties.name}`,
        onclick: () => setRegions(state.regions.filter((_, i) => i !== place), null) }, "×"))));
  });
  let asked = 0;
  watch(["region", "regions", "filters", "result"], async () => {
    const at = state.region === null ? undefined : state.regions[state.region];
    const { result } = state;
    if (!at || !result) return fill(body);
    if (state.catalogue.shared) return fill(body, h("p", { class: "note" }, "Regions are measured where karyoscope runs, not in a shared folder."));
    const mine = ++asked;
    const found = await trying(() => measure(at));
    if (found && mine === asked) fill(body, table(found));
  });
  return h("section", {}, h("h2", {}, "Regions"), toolbar(TOOLS), list,
    h("div", { class: "row wrap" },
      h("label", { class: "button", for: "import", tabindex: 0, role: "button",
        onkeydown: (e: KeyboardEvent) => (e.key === "Enter" || e.key === " ") && file.click() }, "Import"), file,
      h("button", { type: "button", onclick: saveGeoJson }, "Save GeoJSON"),
      h("button", { type: "button", onclick: () => void saveCsv() }, "Save CSV"),
      h("button", { type: "button", onclick: markReviewed }, "Reviewed ", h("kbd", {}, "V"))),
    body);
}

const measure = (region: Region): Promise<Measure> =>
  send<Measure>(`results/${state.result!.key}/measure`, { geometry: region.geometry, filter: filterText() });

function rename(place: number, name: string): void {
  const regions = state.regions.map((r, i) =>
    i === place ? { ...r, properties: { ...r.properties, name: name.trim() || `Region ${place + 1}` } } : r);
  setRegions(regions, place);
}

function table(m: Measure): HTMLElement[] {
  const row = (head: (Node | string)[], ...cells: string[]) =>
    h("tr", {}, h("th", {}, head), cells.map((c) => h("td", { class: "number" }, c)));
  return [
    h("p", {}, `${short(m.area_mm2)} mm²`, m.tissue_mm2 === null ? "" : `, of which ${short(m.tissue_mm2)} mm² tissue`,
      state.filters.length ? ", filtered" : ""),
    h("div", { class: "scroll" }, h("table", { class: "values wide" },
      h("thead", {}, row([""], "count", "share", "/mm²", "near", "border")),
      h("tbody", {},
        row([h("strong", {}, "all")], count(m.nuclei), "", short(m.density_per_mm2), short(m.nearest_um), ""),
        m.classes.map((c) => row([dot(c.id), c.name], count(c.count), percent(c.share), short(c.density_per_mm2),
          short(c.nearest_um), short(c.border_um)))))),
    h("p", { class: "note" }, "Per mm² of tissue. Near: median distance to the nearest other nucleus of the region, in µm; border: to the border of the region."),
  ];
}

function saveGeoJson(): void {
  const data = { type: "FeatureCollection", features: state.regions };
  save(`${state.slide?.name ?? "slide"}.regions.geojson`, new Blob([JSON.stringify(data, null, 1)], { type: "application/geo+json" }));
}

/** A cell that no spreadsheet takes for a formula. */
const cell = (v: unknown): string => {
  const text = v === null || v === undefined ? "" : String(v);
  const safe = typeof v === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};

async function saveCsv(): Promise<void> {
  const lines = ["region,class,count,share,density_per_mm2,nearest_um,border_um,area_mm2,tissue_mm2"];
  for (const region of state.regions) {
    const m = await trying(() => measure(region));
    if (!m) return;
    const rows = [{ name: "all", count: m.nuclei, share: 1, density_per_mm2: m.density_per_mm2, nearest_um: m.nearest_um, border_um: null }, ...m.classes];
    for (const c of rows) {
      lines.push([region.properties.name, c.name, c.count, c.share, c.density_per_mm2, c.nearest_um, c.border_um, m.area_mm2, m.tissue_mm2].map(cell).join(","));
    }
  }
  save(`${state.slide?.name ?? "slide"}.regions.csv`, new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
}

async function importFile(input: HTMLInputElement): Promise<void> {
  const file = input.files?.[0];
  input.value = "";
  if (!file) return;
  try {
    const data = JSON.parse(await file.text());
    const features: any[] = Array.isArray(data) ? data : data.features ?? [data];
    const polygons = features.filter((f) => ["Polygon", "MultiPolygon"].includes(f?.geometry?.type));
    if (!polygons.length) throw new Error("no polygon in it");
    addRegions(polygons.slice(0, 1000).map((f, k) => {
      const made = makeRegion(String(f.properties?.name ?? f.properties?.classification?.name ?? `Region ${k + 1}`).slice(0, 200), [[[0, 0]]]);
      made.geometry = f.geometry;
      if (!ringsOf(f.geometry.coordinates).length) throw new Error("an empty polygon");
      return made;
    }));
    say(`${polygons.length} regions from ${file.name}`);
  } catch (error) {
    say(`${file.name} is no GeoJSON of regions: ${(error as Error).message}`, 0);
  }
}
