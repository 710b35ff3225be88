// Colour by a measurement or a probability, its histogram, and filters by brushing it.
import { restyled } from "../actions";
import { css, viridis } from "../colour";
import { count, fill, h, short, spoken } from "../dom";
import { colourOf, state, update, watch } from "../store";
import { trying } from "../status";
import type { Column, Filter, Histogram } from "../types";

const WIDTH = 288, HEIGHT = 72;

export async function showColumn(place: number | null, colour: boolean): Promise<void> {
  const { result } = state;
  if (!result) return;
  const found = place === null ? null : await trying(() => result.histogram(place));
  if (place !== null && !found) return;
  if (colour && place !== null) result.columns.add(place);
  await trying(() => result.completeAll());
  update({ colourBy: colour ? place : null, colourRange: found ?? null });
  restyled();
}

export async function setFilters(filters: Filter[]): Promise<void> {
  const { result } = state;
  if (!result) return;
  for (const f of filters) result.columns.add(f.place);
  await trying(() => result.completeAll());
  update({ filters });
  restyled();
}

export function columnsPart(): HTMLElement {
  const choice = h("select", { id: "column", "data-key": "column" });
  const colour = h("input", { type: "checkbox", id: "colour-by" });
  const body = h("div"), filters = h("ul", { class: "filters" });
  let column: Column | null = null;

  const show = async () => {
    const { result } = state;
    column = result?.info.columns.find((c) => String(c.place) === choice.value) ?? null;
    await showColumn(column?.place ?? null, colour.checked);
    if (!column || !result) return fill(body);
    const found = await trying(() => result.histogram(column!.place));
    if (found && column) fill(body, histogram(column, found));
  };
  choice.addEventListener("change", show);
  colour.addEventListener("change", show);
  watch(["result"], () => {
    const { result } = state;
    const before = column?.name;
    fill(choice, h("option", { value: "" }, "choose a column …"),
      (result?.info.columns ?? []).map((c) => h("option", { value: c.place }, spoken(c.name))));
    column = result?.info.columns.find((c) => c.name === before || c.place === state.colourBy) ?? null;
    choice.value = column ? String(column.place) : "";
    colour.checked = state.colourBy !== null;
    if (column) void show();
    else fill(body);
  });
  watch(["filters"], () => fill(filters, state.filters.map((f) =>
    h("li", {}, h("span", {}, `${spoken(f.name)}: ${short(f.low)} to ${short(f.high)}`),
      h("button", { type: "button", class: "plain", "aria-label": `Remove the filter of ${spoken(f.name)}`,
        onclick: () => void setFilters(state.filters.filter((other) => other !== f)) }, "×")))));
  return h("section", {}, h("h2", {}, "Measurements"),
    h("div", { class: "row" }, h("label", { for: "column", class: "hidden" }, "Column"), choice,
      h("label", { class: "check" }, colour, "colour")),
    body, filters);
}

/** Bars stacked by class; a brush over them is a filter. */
function histogram(column: Column, found: Histogram): HTMLElement {
  const ratio = Math.min(2, devicePixelRatio);
  const canvas = h("canvas", { width: WIDTH * ratio, height: HEIGHT * ratio, class: "histogram",
    role: "img", "aria-label": `Histogram of ${spoken(column.name)}` });
  const bars = found.counts[0].length;
  const totals = Array.from({ length: bars }, (_, i) => found.counts.reduce((a, c) => a + c[i], 0));
  const most = Math.max(1, ...totals);
  const value = (x: number) => found.low + (x / WIDTH) * (found.high - found.low);
  const now = () => state.filters.find((f) => f.place === column.place);
  const paint = (from?: number, to?: number) => {
    const pen = canvas.getContext("2d")!;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, WIDTH, HEIGHT);
    const wide = WIDTH / bars;
    for (let i = 0; i < bars; i++) {
      let base = HEIGHT;
      found.counts.forEach((counts, c) => {
        const tall = (counts[i] / most) * (HEIGHT - 2);
        pen.fillStyle = state.colourBy === column.place ? css(viridis(i / (bars - 1))) : css(colourOf(state.result!.info.classes[c].id));
        pen.fillRect(i * wide + 0.5, base - tall, wide - 1, tall);
        base -= tall;
      });
    }
    if (from === undefined || to === undefined) return;
    pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--veil");
    pen.fillRect(0, 0, from, HEIGHT);
    pen.fillRect(to, 0, WIDTH - to, HEIGHT);
  };
  const place = (v: number) => ((v - found.low) / (found.high - found.low)) * WIDTH;
  const paintFilter = () => {
    const f = now();
    if (f) paint(Math.max(0, place(f.low)), Math.min(WIDTH, place(f.high)));
    else paint();
  };
  const keep = (low: number, high: number) => {
    // A brush that reaches the end takes in what lies beyond it.
    const f = { name: column.name, place: column.place,
      low: low <= found.low ? found.least : low, high: high >= found.high ? found.most : high };
    void setFilters([...state.filters.filter((o) => o.place !== column.place), f]).then(paintFilter);
  };
  let start: number | null = null;
  const x = (e: PointerEvent) => {
    const box = canvas.getBoundingClientRect();
    return Math.min(WIDTH, Math.max(0, ((e.clientX - box.left) / box.width) * WIDTH));
  };
  canvas.addEventListener("pointerdown", (e) => { start = x(e); canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener("pointermove", (e) => {
    if (start !== null) paint(Math.min(start, x(e)), Math.max(start, x(e)));
  });
  canvas.addEventListener("pointerup", (e) => {
    if (start === null) return;
    const [a, b] = [Math.min(start, x(e)), Math.max(start, x(e))];
    start = null;
    if (b - a < 3) void setFilters(state.filters.filter((o) => o.place !== column.place)).then(paintFilter);
    else keep(value(a), value(b));
  });
  paintFilter();
  const bound = (which: "low" | "high", text: string) => {
    const input = h("input", { type: "number", step: "any", "aria-label": text, "data-key": `bound-${which}`,
      placeholder: short(which === "low" ? found.least : found.most), value: now() ? short(now()![which]).replaceAll(",", "") : "" });
    input.addEventListener("change", () => {
      const typed = Number(input.value);
      const f = now() ?? { low: found.least, high: found.most };
      const next = input.value === "" ? (which === "low" ? found.least : found.most) : typed;
      keep(which === "low" ? next : f.low, which === "high" ? next : f.high);
    });
    return input;
  };
  return h("div", { class: "column" }, canvas,
    h("div", { class: "ends" }, h("span", {}, short(found.low)),
      found.missing ? h("span", {}, `${count(found.missing)} without a value`) : null, h("span", {}, short(found.high))),
    h("div", { class: "bounds" }, h("span", {}, "Show from"), bound("low", "Least value shown"), h("span", {}, "to"),
      bound("high", "Greatest value shown")));
}
