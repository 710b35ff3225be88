// Drawing with pointer or keys: regions, outlines of nuclei, lines that split them.
import { h } from "./dom";
import { surface, toSlide } from "./stage";
import { state, update, watch, type Tool } from "./store";
import type { Ring } from "./types";

export type Finish = (tool: Tool, shape: Ring) => void;
const cover = h("div", { class: "cover", hidden: true });
const HINTS: Record<Tool, string> = {
  look: "",
  polygon: "Drag around, or click point by point. Enter closes, Backspace takes a point back, Esc gives up.",
  rectangle: "Drag from corner to corner. With keys: Space sets a corner at the cross.",
  circle: "Drag from the centre outwards. With keys: Space sets centre, then rim, at the cross.",
  add: "Draw around the nucleus: drag, or click point by point. Enter closes.",
  split: "Draw a line across the selected nucleus. Enter ends it.",
  segment: "Click a nucleus that the model missed.",
};
export const hint = h("p", { class: "hint", role: "status" });

let finish: Finish = () => {};
let drag: [number, number] | null = null;
let free = false;

export function startDrawing(onFinish: Finish): void {
  finish = onFinish;
  surface.append(cover, h("div", { class: "cross", "aria-hidden": true }));
  cover.addEventListener("pointerdown", begin);
  cover.addEventListener("pointermove", go);
  cover.addEventListener("pointerup", end);
  cover.addEventListener("pointercancel", () => { drag = null; });
  cover.addEventListener("dblclick", () => close());
  // The wheel zooms while something is drawn, too.
  cover.addEventListener("wheel", (event) => {
    event.preventDefault();
    const canvas = surface.querySelector("canvas.deck")!;
    canvas.dispatchEvent(new WheelEvent("wheel", event));
  }, { passive: false });
  watch(["tool"], () => {
    cover.toggleAttribute("hidden", state.tool === "look");
    surface.classList.toggle("drawing", state.tool !== "look");
    hint.textContent = HINTS[state.tool];
  });
}

export function pick(tool: Tool): void {
  update({ tool: state.tool === tool ? "look" : tool, sketch: [] });
  if (state.tool !== "look") surface.focus();
}

function at(event: PointerEvent): [number, number] {
  const box = surface.getBoundingClientRect();
  return toSlide(event.clientX - box.left, event.clientY - box.top);
}

function begin(event: PointerEvent): void {
  if (event.button !== 0) return;
  cover.setPointerCapture(event.pointerId);
  drag = at(event);
  free = false;
  if (state.tool === "rectangle" || state.tool === "circle") update({ sketch: [] });
}

function go(event: PointerEvent): void {
  if (!drag) return;
  const point = at(event);
  if (state.tool === "rectangle") update({ sketch: rectangle(drag, point) });
  else if (state.tool === "circle") update({ sketch: circle(drag, point) });
  else if (state.tool !== "segment") {
    const last = state.sketch.at(-1) ?? drag;
    const step = 4 / 2 ** state.zoom;
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) < step) return;
    if (!free && !state.sketch.length) update({ sketch: [drag] });
    free = true;
    update({ sketch: [...state.sketch, point] });
  }
}

function end(event: PointerEvent): void {
  if (!drag) return;
  const point = at(event);
  drag = null;
  if (state.tool === "segment") finish("segment", [point]);
  else if (state.tool === "rectangle" || state.tool === "circle") {
    if (state.sketch.length) close();
  } else if (free) close();
  else update({ sketch: [...state.sketch, point] });
}

/** Set a point at the middle of the view, as a click there would. */
export function pointAtCross(): void {
  const here: [number, number] = [state.x, state.y];
  const [first] = state.sketch;
  if (state.tool === "segment") finish("segment", [here]);
  else if (state.tool === "rectangle" && first) { update({ sketch: rectangle(first, here) }); close(); }
  else if (state.tool === "circle" && first) { update({ sketch: circle(first, here) }); close(); }
  else update({ sketch: [...state.sketch, here] });
}

export function back(): void { update({ sketch: state.sketch.slice(0, -1) }); }

export function close(): void {
  const { tool, sketch } = state;
  const least = tool === "split" ? 2 : 3;
  if (sketch.length < least) return;
  update({ sketch: [], tool: "look" });
  finish(tool, sketch);
}

const rectangle = (a: Ring[0], b: Ring[0]): Ring => [a, [b[0], a[1]], b, [a[0], b[1]]];

function circle(centre: Ring[0], rim: Ring[0]): Ring {
  const radius = Math.hypot(rim[0] - centre[0], rim[1] - centre[1]);
  return Array.from({ length: 64 }, (_, k) => {
    const angle = (2 * Math.PI * k) / 64;
    return [centre[0] + radius * Math.cos(angle), centre[1] + radius * Math.sin(angle)] as [number, number];
  });
}
