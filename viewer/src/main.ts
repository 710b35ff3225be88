// Start: what was opened, the parts of the page, and the view that the link names.
import "./view.css";
import { clickAt, finishShape, goTo, loadRegions, restyled, startQueue } from "./actions";
import { getJson } from "./api";
import { scaleDensity } from "./density";
import { drawing, fill, h } from "./dom";
import { hint, startDrawing } from "./draw";
import { messages, overview, scaleBar } from "./furniture";
import { KEYS, copyLink, startKeys } from "./keys";
import { legend } from "./legend";
import { followLink, readLink, type Link } from "./link";
import { classesPart } from "./panel/classes";
import { columnsPart, setFilters, showColumn } from "./panel/columns";
import { comparePart, compareWith } from "./panel/compare";
import { correctPart } from "./panel/correct";
import { nucleusPart } from "./panel/nucleus";
import { regionsPart } from "./panel/regions";
import { savePicture } from "./picture";
import { Result } from "./result";
import { slidesDialog } from "./slides";
import { fit, move, startStage, surface } from "./stage";
import { say, trying } from "./status";
import { state, update, watch, type Tab } from "./store";
import type { Catalogue, Edits, SlideInfo } from "./types";

const TABS: [Tab, string][] = [["nuclei", "Nuclei"], ["regions", "Regions"], ["compare", "Compare"], ["correct", "Correct"]];

async function openSlide(key: string, link: Link = {}): Promise<void> {
  const entry = state.catalogue.slides.find((s) => s.key === key);
  if (!entry) return;
  const slide = await trying(() => getJson<SlideInfo>(`slides/${key}/info.json`));
  if (!slide) return;
  update({ slide, result: null, other: null, compare: "off", agreement: null, colourBy: null, colourRange: null,
    filters: [], selected: [], nucleus: null, regions: [], region: null, sketch: [], tool: "look" });
  document.title = `${slide.name} – karyoscope`;
  await new Promise(requestAnimationFrame);
  if (link.x !== undefined && link.y !== undefined && link.zoom !== undefined) move(link.x, link.y, link.zoom);
  else fit();
  if (slide.problem) say(slide.problem, 0);
  const wanted = entry.results.find((r) => r.name === link.result) ?? entry.results.find((r) => !r.problem) ?? entry.results[0];
  if (wanted) await openResult(wanted.key, link);
  else await loadRegions();
}

async function openResult(key: string, link: Link = {}): Promise<void> {
  const named = state.catalogue.slides.flatMap((s) => s.results).find((r) => r.key === key);
  if (named?.problem) return say(named.problem, 0);
  const result = await trying(() => Result.open(key));
  if (!result) return;
  update({ result, other: null, compare: "off", agreement: null, hidden: new Set(link.hidden ?? []), selected: [], nucleus: null,
    filters: [], colourBy: null });
  if (result.info.warnings.length) say(result.info.warnings.join(" · "), 12);
  await trying(() => scaleDensity(result));
  await loadRegions();
  await follow(result, link);
}

/** What a link says besides the place. */
async function follow(result: Result, link: Link): Promise<void> {
  const column = (name: string | undefined) => result.info.columns.find((c) => c.name === name);
  const colour = column(link.colour);
  if (colour) await showColumn(colour.place, true);
  const filters = (link.filters ?? "").split(";").flatMap((text) => {
    const [name, low, high] = text.split(":");
    const found = column(name);
    return found ? [{ name, place: found.place, low: Number(low), high: Number(high) }] : [];
  });
  if (filters.length) await setFilters(filters);
  const slide = state.catalogue.slides.find((s) => s.key === result.info.slide);
  const other = slide?.results.find((r) => r.name === link.with);
  if (other && (link.compare === "side" || link.compare === "over")) await compareWith(other.key, link.compare);
}

/** Take in what another tab corrected. */
async function refresh(): Promise<void> {
  const { result } = state;
  if (!result || document.hidden || state.catalogue.shared) return;
  const edits = await getJson<Edits>(`results/${result.key}/edits.json`).catch(() => null);
  if (edits && state.result === result && result.take(edits)) {
    update({ result });
    restyled();
  }
}

function page(): void {
  const help = h("dialog", { class: "sheet", "aria-label": "Keys" },
    h("div", { class: "row" }, h("h2", {}, "Keys"), h("button", { type: "button", onclick: () => help.close() }, "Close")),
    h("table", { class: "values" }, h("tbody", {}, KEYS.map(([keys, what]) => h("tr", {}, h("th", { class: "keys" }, keys.split(/ +/).map((key) => (key === "–" ? " – " : h("kbd", {}, key)))), h("td", {}, what))))),
    h("p", { class: "note" }, "Click the slide, or press Tab until it is framed, for the keys that act on it. Parts of others in this page: ",
      h("a", { href: "licences.txt" }, "licences"), "."));
  const slides = slidesDialog((key) => void openSlide(key));
  const slideChoice = h("button", { type: "button", class: "title", title: "All slides (T)", onclick: slides.show });
  const resultChoice = h("select", { "aria-label": "Result", class: "result", onchange: () => void openResult(resultChoice.value) });
  watch(["catalogue", "slide", "result"], () => {
    fill(slideChoice, state.slide?.name ?? "karyoscope", state.catalogue.slides.length > 1 ? h("span", { class: "faint" }, ` ${state.catalogue.slides.length} slides`) : null);
    const entry = state.catalogue.slides.find((s) => s.key === state.slide?.key);
    fill(resultChoice, (entry?.results ?? []).map((r) => h("option", { value: r.key }, r.name)));
    resultChoice.value = state.result?.key ?? "";
    resultChoice.hidden = !entry || entry.results.length < 2;
  });
  const icon = (path: string, label: string, call: () => void, wide = false) =>
    h("button", { type: "button", class: wide ? "icon wide" : "icon", title: label, "aria-label": label, onclick: call }, drawing(path));
  const zoom = (by: number) => () => move(state.x, state.y, state.zoom + by);
  const bar = h("header", { class: "bar-top" }, slideChoice, resultChoice, h("span", { class: "spring" }),
    icon("M4 10h12", "Farther (−)", zoom(-1), true), icon("M4 10h12M10 4v12", "Nearer (+)", zoom(1), true),
    icon("M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4", "Whole slide (0)", fit),
    icon("M8.5 11.5l3-3M9.5 6l2-2a3.2 3.2 0 0 1 4.5 4.5l-2 2M10.5 14l-2 2A3.2 3.2 0 0 1 4 11.500l2-2", "Copy a link to this view (L)", copyLink, true),
    icon("M3 6.500h3l1.500-2h5l1.500 2h3v9.500H3zM10 13.500a2.700 2.700 0 1 0 0-5.400 2.700 2.700 0 0 0 0 5.400z", "Picture with scale bar (W)", () => void savePicture()),
    icon("M7 7.500a3 3 0 1 1 4.300 2.700c-.9.450-1.300 1-1.300 2.100M10 15.500v.100", "Keys (?)", () => help.showModal()),
    icon("M3 4h14v12H3zM12 4v12", "Panel (I)", () => update({ panelOpen: !state.panelOpen })));
  const parts: Record<Tab, HTMLElement> = {
    nuclei: h("div", { role: "tabpanel", id: "part-nuclei", "aria-labelledby": "tab-nuclei" }, classesPart(), columnsPart(), nucleusPart()),
    regions: h("div", { role: "tabpanel", id: "part-regions", "aria-labelledby": "tab-regions" }, regionsPart()),
    compare: h("div", { role: "tabpanel", id: "part-compare", "aria-labelledby": "tab-compare" }, comparePart()),
    correct: h("div", { role: "tabpanel", id: "part-correct", "aria-labelledby": "tab-correct" }, correctPart()),
  };
  const correctNucleus = nucleusPart(true);
  parts.correct.append(correctNucleus);
  const tabs = h("div", { role: "tablist", class: "tabs", "aria-label": "Parts of the panel" });
  const panel = h("aside", { class: "panel", "aria-label": "Panel" }, tabs, ...Object.values(parts));
  watch(["tab", "panelOpen"], () => {
    fill(tabs, TABS.map(([tab, text]) => h("button", { type: "button", role: "tab", id: `tab-${tab}`, "data-key": `tab-${tab}`,
      "aria-selected": String(tab === state.tab), "aria-controls": `part-${tab}`, onclick: () => update({ tab }) }, text)));
    for (const [tab, part] of Object.entries(parts)) part.hidden = tab !== state.tab;
    panel.hidden = !state.panelOpen;
    document.body.classList.toggle("open", state.panelOpen);
  });
  fill(document.getElementById("app")!, bar,
    h("main", { class: "stage" }, surface, hint, scaleBar(), legend(), overview(), messages(() => update({ message: "" }))), panel, help, slides.root);
  startStage(clickAt);
  startQueue(openSlide);
  startDrawing((tool, shape) => void finishShape(tool, shape));
  startKeys(() => help.showModal(), slides.show);
}

async function start(): Promise<void> {
  page();
  const link = readLink();
  const catalogue = await trying(() => getJson<Catalogue>("catalogue.json"));
  if (!catalogue) return;
  const tab = TABS.map(([t]) => t).find((t) => t === link.tab);
  update({ catalogue, ...(tab ? { tab } : {}) });
  const wanted = catalogue.slides.find((s) => s.name === link.slide) ?? catalogue.slides[0];
  if (!wanted) return say("Nothing was opened.", 0);
  await openSlide(wanted.key, wanted.name === link.slide ? link : {});
  followLink();
  addEventListener("focus", () => void refresh());
  setInterval(() => void refresh(), 5000);
  // For tests and for whoever writes a script on the page.
  Object.assign(window, { karyoscope: { state, goTo, move } });
}

void start();
