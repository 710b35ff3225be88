// On the slide: what the colours mean now.
import { CODES, css, viridis } from "./colour";
import { codeNames } from "./pair";
import { fill, h, short, spoken } from "./dom";
import { showsOutlines, state, watch } from "./store";

export function legend(): HTMLElement {
  const root = h("div", { class: "legend" });
  watch(["colourBy", "colourRange", "compare", "zoom", "result", "other", "width", "height"], () => {
    const { result, colourBy, colourRange, compare } = state;
    const column = result?.info.columns.find((c) => c.place === colourBy);
    const coded = compare === "over" && showsOutlines();
    root.hidden = !showsOutlines() || !(coded || (column && colourRange));
    if (coded) {
      const names = codeNames();
      return fill(root, CODES.map((code, place) => {
        const mark = h("i", { class: "dot" });
        mark.style.background = css(code.color);
        return h("span", {}, mark, names[place]);
      }));
    }
    if (!column || !colourRange) return;
    const ramp = h("div", { class: "ramp" });
    ramp.style.background = `linear-gradient(to right, ${Array.from({ length: 9 }, (_, k) => css(viridis(k / 8))).join(",")})`;
    fill(root, h("span", {}, spoken(column.name)), h("span", { class: "number" }, short(colourRange.low)), ramp,
      h("span", { class: "number" }, short(colourRange.high)));
  });
  return root;
}
