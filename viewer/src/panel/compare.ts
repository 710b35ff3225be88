// Two results of one slide: side by side, or one view of where they differ; the worst places.
import { restyled } from "../actions";
import { getJson, send } from "../api";
import { CODES, css } from "../colour";
import { count, fill, h, percent, short } from "../dom";
import { codeNames, inOrder, pair, scoreNames } from "../pair";
import { Result } from "../result";
import { showBox } from "../stage";
import { trying } from "../status";
import { state, update, watch } from "../store";
import type { Agreement } from "../types";

const MODES = [["off", "Off"], ["side", "Side by side"], ["over", "Differences"]] as const;

export async function compareWith(key: string | null, mode: "off" | "side" | "over"): Promise<void> {
  const { result } = state;
  if (!result) return;
  if (key === null || mode === "off") {
    result.compareTo(null);
    update({ other: null, compare: "off", agreement: null });
    return restyled();
  }
  const other = state.other?.key === key ? state.other : await trying(() => Result.open(key));
  if (!other) return;
  const [first, second] = inOrder(result, other);
  const found = await trying(() => getJson<Agreement>(`results/${first.key}/against/${second.key}/summary.json`));
  if (!found) return;
  first.compareTo({ first: first.key, second: second.key, mine: "first" });
  second.compareTo({ first: first.key, second: second.key, mine: "second" });
  await trying(() => Promise.all([result.completeAll(), other.completeAll()]));
  update({ other, compare: mode, agreement: found });
  restyled();
}

export function comparePart(): HTMLElement {
  const choice = h("select", { id: "other", "data-key": "other" }), modes = h("div", { class: "tools", role: "group" });
  const body = h("div");
  choice.addEventListener("change", () => void compareWith(choice.value || null, state.compare === "off" ? "over" : state.compare));
  watch(["result", "other", "compare"], () => {
    const { result, catalogue, compare } = state;
    const slide = catalogue.slides.find((s) => s.key === result?.info.slide);
    const others = slide?.results.filter((r) => r.key !== result?.key && !r.problem) ?? [];
    fill(choice, h("option", { value: "" }, others.length ? "compare with …" : "no other result of this slide is open"),
      others.map((r) => h("option", { value: r.key }, r.name)));
    choice.value = state.other?.key ?? "";
    choice.disabled = !others.length || Boolean(catalogue.shared);
    fill(modes, MODES.map(([mode, text]) => h("button", { type: "button", "data-key": mode, "aria-pressed": String(mode === compare),
      disabled: !others.length || Boolean(catalogue.shared),
      onclick: () => void compareWith(state.other?.key ?? others[0]?.key ?? null, mode) }, text)));
  });
  watch(["agreement", "region", "regions"], async () => {
    const { agreement } = state, two = pair();
    if (!agreement || !two) return fill(body);
    const { first, second, truth } = two, names = codeNames(), scores = scoreNames();
    const at = state.region === null ? null : state.regions[state.region];
    const inside = at && await trying(() => send<Agreement>(`results/${first.key}/against/${second.key}/measure`, { geometry: at.geometry }));
    const scored = inside || agreement;
    fill(body, h("p", { class: "note" }, inside ? `In ${at!.properties.name}:` : "On the whole slide:"),
      h("table", { class: "values" }, h("tbody", {}, CODES.map((code, place) => {
        const mark = h("i", { class: "dot" });
        mark.style.background = css(code.color);
        return h("tr", {}, h("th", {}, mark, names[place]), h("td", { class: "number" }, count(scored.counts[code.name])));
      }))),
      h("table", { class: "values" }, h("tbody", {},
        ([[scores[0], scored.precision], [scores[1], scored.recall], [scores[2], scored.f1], ["same class, of pairs", scored.class_accuracy]] as const)
          .map(([name, v]) => h("tr", {}, h("th", {}, name), h("td", { class: "number" }, percent(v)))))),
      h("p", { class: "note" }, `${first.info.name} ${truth ? "scored against" : "beside"} ${second.info.name}. A pair is each other's nearest centroid within ${short(agreement.radius_um)} µm.`),
      h("h3", {}, "Most differences"),
      h("ol", { class: "places" }, agreement.places.slice(0, 30).map((p) => h("li", {}, h("button", { type: "button",
        onclick: () => showBox(p.x, p.y, p.edge, p.edge) }, `${count(p.differences)} at x ${count(p.x)}, y ${count(p.y)}`)))));
  });
  return h("section", {}, h("h2", {}, "Compare"), h("label", { for: "other", class: "hidden" }, "Other result"), choice, modes, body);
}
