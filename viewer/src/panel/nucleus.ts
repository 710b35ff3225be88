// One nucleus: its crop, class, probabilities, measurements, id; and finding one by id.
import { getBlob } from "../api";
import { giveClass, goTo } from "../actions";
import { fill, h, percent, short, spoken } from "../dom";
import { state, watch } from "../store";
import { dot } from "./classes";

const CROP_UM = 40;

/** The nucleus that is selected; for the tab of corrections without its measurements. */
export function nucleusPart(brief = false): HTMLElement {
  const body = h("div", { class: "nucleus" });
  const name = brief ? "find-too" : "find";
  const id = h("input", { type: "text", inputmode: "numeric", id: name, placeholder: "id", "data-key": name });
  const form = h("form", { class: "row", onsubmit: (e: Event) => {
    e.preventDefault();
    const wanted = Number(id.value);
    if (Number.isInteger(wanted) && wanted > 0) void goTo(wanted);
  } }, h("label", { for: name }, "Find nucleus"), id, h("button", { type: "submit" }, "Go"));
  watch(["nucleus", "selected", "result"], () => {
    const { nucleus, selected, result, slide } = state;
    if (!selected.length || !result) {
      return fill(body, h("p", { class: "note" }, "Click a nucleus, or press Tab on the slide to step through those in view."));
    }
    if (!nucleus) return fill(body, h("p", { class: "note" }, "Looking up …"));
    const picture = h("img", { alt: `Nucleus ${nucleus.id}`, class: "crop" });
    if (slide?.levels && !state.catalogue.shared) {
      const edge = Math.round(CROP_UM / slide.mpp[0]);
      getBlob(`slides/${slide.key}/crop.jpg?x=${nucleus.x}&y=${nucleus.y}&edge=${edge}`)
        .then((blob) => { picture.src = URL.createObjectURL(blob); })
        .catch(() => picture.remove());
    } else picture.remove();
    const found = result.info.classes.find((c) => c.id === nucleus.class);
    const values = Object.entries(nucleus.values);
    const chances = values.filter(([name]) => name.startsWith("p_"));
    const others = values.filter(([name]) => !name.startsWith("p_"));
    fill(body,
      h("div", { class: "head" }, slide?.levels && !state.catalogue.shared ? picture : null,
        h("div", {}, h("strong", {}, dot(nucleus.class), found?.name ?? "unclassified"),
          h("span", { class: "note" }, `id ${nucleus.id}`),
          h("span", { class: "note" }, `x ${nucleus.x.toFixed(1)}, y ${nucleus.y.toFixed(1)} px`),
          selected.length > 1 ? h("span", { class: "note" }, `and ${selected.length - 1} more selected`) : null)),
      brief && state.catalogue.may.edit ? h("div", { class: "chips", role: "group", "aria-label": "Class" },
        result.info.classes.slice(1, 10).map((c, k) => h("button", { type: "button", class: "chip",
          "aria-pressed": String(c.id === nucleus.class), onclick: () => giveClass(k + 1) }, h("kbd", {}, k + 1), c.name))) : null,
      chances.length ? h("table", { class: "bars" }, h("tbody", {}, chances.map(([name, v]) => {
        const bar = h("div", { class: "share" });
        bar.style.width = `${100 * (v ?? 0)}%`;
        return h("tr", {}, h("th", {}, name.slice(2)), h("td", { class: "track" }, bar), h("td", { class: "number" }, percent(v)));
      }))) : null,
      brief ? null : h("table", { class: "values" }, h("tbody", {}, others.map(([name, v]) =>
        h("tr", {}, h("th", {}, spoken(name)), h("td", { class: "number" }, short(v)))))));
  });
  return h("section", {}, h("h2", {}, "Nucleus"), form, body);
}
