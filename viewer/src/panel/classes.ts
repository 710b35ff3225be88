// Classes on and off and in other colours, and how strongly nuclei are drawn.
import { restyled } from "../actions";
import { css, hex, unhex } from "../colour";
import { count, fill, h, percent } from "../dom";
import { colourOf, showsOutlines, state, update, watch } from "../store";

export function toggleClass(id: number): void {
  const hidden = new Set(state.hidden);
  if (!hidden.delete(id)) hidden.add(id);
  update({ hidden });
  restyled();
}

/** Show one class alone, or all again. */
function only(id: number): void {
  const others = state.result!.info.classes.map((c) => c.id).filter((c) => c !== id);
  const alone = others.every((c) => state.hidden.has(c)) && !state.hidden.has(id);
  update({ hidden: new Set(alone ? [] : others) });
  restyled();
}

function recolour(id: number, text: string): void {
  update({ colours: new Map(state.colours).set(id, unhex(text)) });
  restyled();
}

export function classesPart(): HTMLElement {
  const list = h("ul", { class: "classes" }), note = h("p", { class: "note" });
  watch(["result", "hidden", "colours", "slide"], () => {
    const { result } = state;
    if (!result) return fill(list);
    const { classes, counts } = result.info;
    const total = counts.reduce((a, b) => a + b, 0);
    const rows = classes.map((c, place) => {
      if (c.id === 0 && !counts[place]) return null;
      const shown = !state.hidden.has(c.id);
      return h("li", { class: shown ? "" : "off" },
        h("label", { class: "swatch", title: "Change the colour" },
          h("input", { type: "color", "data-key": `colour-${c.id}`, "aria-label": `Colour of ${c.name}`,
            value: hex(colourOf(c.id)), oninput: (e: Event) => recolour(c.id, (e.target as HTMLInputElement).value) })),
        h("button", { type: "button", class: "name", "data-key": `class-${c.id}`, "aria-pressed": String(shown),
          title: "Show or hide; double click for this class alone",
          onclick: () => toggleClass(c.id), ondblclick: () => only(c.id) },
          place ? h("kbd", {}, place) : null, c.name),
        h("span", { class: "number" }, count(counts[place])),
        h("span", { class: "number faint" }, percent(total ? counts[place] / total : null)));
    });
    fill(list, rows);
    list.querySelectorAll<HTMLElement>(".swatch").forEach((swatch) => {
      swatch.style.background = swatch.querySelector("input")!.value;
    });
  });
  watch(["zoom", "result", "densityMost", "width", "height", "filters", "compare"], () => {
    const { result, filters, compare } = state;
    if (!result) return fill(note);
    const all = count(result.info.counts.reduce((a, b) => a + b, 0));
    const shared = state.catalogue.shared && filters.length ? " Filters act when you zoom in." : "";
    const most = count(state.densityMost);
    fill(note, showsOutlines()
      ? `Every nucleus is drawn; ${all} on this slide.`
      : `Density of all ${filters.length && !shared ? "nuclei that pass the filter" : `${all} nuclei`}, up to ${most} per mm² in full colour.`
        + ` Zoom in for outlines${compare === "over" ? " and differences" : ""}.${shared}`);
  });
  const slider = (key: "outlineOpacity" | "fillOpacity", text: string) => {
    const input = h("input", { type: "range", min: 0, max: 1, step: 0.05, value: state[key],
      oninput: () => { update({ [key]: Number(input.value) }); restyled(); } });
    return h("label", { class: "slider" }, h("span", {}, text), input);
  };
  return h("section", {}, h("h2", {}, "Classes"), list, note,
    h("div", { class: "sliders" }, slider("outlineOpacity", "Outline, density"), slider("fillOpacity", "Fill")));
}

export const dot = (id: number): HTMLElement => {
  const element = h("i", { class: "dot" });
  element.style.background = css(colourOf(id));
  return element;
};
