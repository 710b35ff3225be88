// The table of slides: sorted by any figure, filtered by words, with a scatter of two columns.
import { getBlob } from "./api";
import { fill, h, short, spoken } from "./dom";
import { state } from "./store";
import type { SlideName } from "./types";

type Row = Record<string, string | number | null>;
const HIDDEN = new Set(["key", "result", "software", "error", "warnings"]);
const SCATTER = 320;

export function slidesDialog(open: (key: string) => void): { root: HTMLDialogElement; show: () => void } {
  const body = h("div", { class: "slides" });
  const root = h("dialog", { class: "sheet wide", "aria-label": "Slides" });
  let sort = "slide", down = false, words = "";
  let axes: [string, string] | null = null;

  const rows = (): Row[] => {
    const { cohort, slides } = state.catalogue;
    const named = new Map(cohort.map((row) => [String(row.key), row]));
    const all: Row[] = slides.map((s) => named.get(s.key) ?? plain(s));
    return [...all, ...cohort.filter((row) => !row.key)];
  };
  const columns = (all: Row[]): string[] =>
    [...new Set(all.flatMap(Object.keys))].filter((name) => !HIDDEN.has(name));

  const draw = () => {
    const all = rows(), names = columns(all);
    const numbers = names.filter((name) => all.some((row) => typeof row[name] === "number"));
    const found = all
      .filter((row) => names.some((n) => String(row[n] ?? "").toLowerCase().includes(words.toLowerCase())))
      .sort((a, b) => compare(a[sort], b[sort]) * (down ? -1 : 1));
    const problems = new Set(state.catalogue.slides.filter((s) => s.problem).map((s) => s.key));
    const head = names.map((name) => h("th", { "aria-sort": name === sort ? (down ? "descending" : "ascending") : "none" },
      h("button", { type: "button", "data-key": `sort-${name}`, onclick: () => { down = name === sort ? !down : typeof all[0]?.[name] === "number"; sort = name; draw(); } },
        spoken(name), name === sort ? (down ? " ↓" : " ↑") : "")));
    const lines = found.map((row) => h("tr", { class: row.status === "failed" ? "failed" : "" },
      h("td", {}, row.key && !problems.has(String(row.key)) ? thumbnail(String(row.key)) : null),
      names.map((name) => {
        const value = row[name];
        if (name === "slide") {
          return h("th", { scope: "row" }, row.key
            ? h("button", { type: "button", class: "link", onclick: () => { root.close(); open(String(row.key)); } }, String(value))
            : String(value), row.error ? h("span", { class: "note" }, String(row.error)) : null);
        }
        return h("td", { class: typeof value === "number" ? "number" : "" }, typeof value === "number" ? short(value) : String(value ?? ""));
      })));
    const likely = ["density_per_mm2", "mean_area_um2"].filter((name) => numbers.includes(name));
    const [across, up] = likely.length === 2 ? likely : numbers;
    axes ??= up ? [across, up] : null;
    fill(body,
      h("div", { class: "row" }, h("h2", {}, `${found.length} of ${all.length} slides`),
        h("label", { for: "words", class: "hidden" }, "Filter"),
        h("input", { type: "search", id: "words", "data-key": "words", placeholder: "filter …", value: words,
          oninput: (e: Event) => { words = (e.target as HTMLInputElement).value; draw(); } }),
        h("button", { type: "button", onclick: () => root.close() }, "Close")),
      h("div", { class: "scroll" }, h("table", { class: "values cohort" }, h("thead", {}, h("tr", {}, h("th", {}, h("span", { class: "hidden" }, "picture")), head)), h("tbody", {}, lines))),
      axes && found.length > 1 ? scatter(found, numbers, axes) : null);
  };

  const scatter = (found: Row[], names: string[], [a, b]: [string, string]): HTMLElement => {
    const pick = (which: 0 | 1) => h("select", { "aria-label": which ? "Up" : "Across", "data-key": `axis-${which}`, onchange: (e: Event) => {
      axes![which] = (e.target as HTMLSelectElement).value;
      draw();
    } }, names.map((n) => h("option", { value: n, selected: n === [a, b][which] }, spoken(n))));
    const known = found.filter((r) => typeof r[a] === "number" && typeof r[b] === "number");
    const reach = (name: string) => {
      const values = known.map((r) => r[name] as number);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const at = (v: number) => (high > low ? 0.06 + (0.88 * (v - low)) / (high - low) : 0.5);
      return { at, ends: high > low ? [low, high] : [low] };
    };
    const [across, up] = [reach(a), reach(b)];
    const ends = (axis: typeof across, side: "left" | "bottom") => axis.ends.map((v) => {
      const mark = h("span", { class: `end ${side}` }, short(v));
      mark.style[side] = `${100 * axis.at(v)}%`;
      return mark;
    });
    const plot = h("div", { class: "scatter" }, known.map((row) => {
      const point = h("button", { type: "button", class: "point", title: `${row.slide}: ${short(row[a] as number)}, ${short(row[b] as number)}`,
        "aria-label": `${row.slide}`, onclick: () => { root.close(); if (row.key) open(String(row.key)); } });
      point.style.left = `${100 * across.at(row[a] as number)}%`;
      point.style.bottom = `${100 * up.at(row[b] as number)}%`;
      return point;
    }), known.length ? [...ends(across, "left"), ...ends(up, "bottom")] : null);
    plot.style.height = `${SCATTER}px`;
    return h("div", { class: "plot" }, h("div", { class: "row" }, pick(1), h("span", {}, "over"), pick(0)), plot);
  };

  root.append(body);
  return { root, show: () => { draw(); root.showModal(); } };
}

const plain = (s: SlideName): Row => ({ key: s.key, slide: s.name, status: s.problem ? "no pixels" : "ok", results: s.results.length, error: s.problem });

const thumbnails = new Map<string, Promise<string>>();
/** Pictures are asked for when their row comes into view, and once: a cohort may have thousands. */
const inView = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    inView.unobserve(target);
    const picture = target as HTMLImageElement, key = picture.dataset.key!;
    if (!thumbnails.has(key)) thumbnails.set(key, getBlob(`slides/${key}/thumbnail.jpg`).then((blob) => URL.createObjectURL(blob)));
    thumbnails.get(key)!.then((source) => { picture.src = source; }).catch(() => picture.remove());
  }
});

function thumbnail(key: string): HTMLElement {
  const picture = h("img", { alt: "", class: "thumb", "data-key": key });
  inView.observe(picture);
  return picture;
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "number" || typeof b === "number") return typeof a === "number" ? 1 : -1;
  return String(a ?? "").localeCompare(String(b ?? ""));
}
