// Around the canvas: scale bar, magnification, overview with the visible part.
import { getBlob } from "./api";
import { fill, h } from "./dom";
import { move, viewWidth } from "./stage";
import { perPixel, screenMpp, state, watch } from "./store";

const STEPS = [1, 2, 5];

/** A round length that fits: in µm, and as it is written. */
export function scaleLength(mpp: number, room: number): { um: number; text: string } {
  const most = mpp * room;
  const power = 10 ** Math.floor(Math.log10(most));
  const um = power * STEPS.filter((s) => s * power <= most).at(-1)!;
  return { um, text: um >= 1000 ? `${um / 1000} mm` : `${um} µm` };
}

/** As on a microscope: 10 µm on a pixel of the screen is 1×. */
export function magnification(mpp: number): string {
  const times = 10 / mpp;
  return `${times >= 10 ? times.toFixed(0) : Number(times.toPrecision(2))}×`;
}

export function scaleBar(): HTMLElement {
  const bar = h("div", { class: "bar" }), label = h("span"), times = h("span", { class: "times" });
  const root = h("div", { class: "scale", "aria-label": "scale" }, h("div", {}, label, bar), times);
  watch(["zoom", "slide"], () => {
    const mpp = screenMpp();
    const { um, text } = scaleLength(mpp, 140);
    bar.style.width = `${um / mpp}px`;
    label.textContent = text;
    times.textContent = magnification(mpp);
  });
  return root;
}

export function overview(): HTMLElement {
  const picture = h("img", { alt: "", draggable: "false" }), frame = h("div", { class: "frame" });
  const root = h("div", { class: "overview", title: "Click to go there" }, picture, frame);
  let shown = "";
  const go = (event: PointerEvent) => {
    const box = root.getBoundingClientRect(), { slide } = state;
    if (!slide) return;
    const x = ((event.clientX - box.left) / box.width) * slide.width;
    move(x, ((event.clientY - box.top) / box.height) * slide.height, state.zoom);
  };
  root.addEventListener("pointerdown", (event) => {
    root.setPointerCapture(event.pointerId);
    go(event);
  });
  root.addEventListener("pointermove", (event) => event.buttons && go(event));
  watch(["slide", "x", "y", "zoom", "width", "height", "compare"], () => {
    const { slide } = state;
    root.hidden = !slide || !slide.levels;
    if (!slide || !slide.levels) return;
    if (shown !== slide.key) {
      shown = slide.key;
      getBlob(`slides/${slide.key}/thumbnail.jpg`)
        .then((blob) => { picture.src = URL.createObjectURL(blob); })
        .catch(() => { root.hidden = true; });
    }
    root.style.aspectRatio = `${slide.width} / ${slide.height}`;
    const [w, t] = [viewWidth() * perPixel(), state.height * perPixel()];
    const clamp = (v: number) => Math.min(100, Math.max(0, 100 * v));
    const left = clamp((state.x - w / 2) / slide.width), top = clamp((state.y - t / 2) / slide.height);
    frame.style.left = `${left}%`;
    frame.style.top = `${top}%`;
    frame.style.width = `${clamp((state.x + w / 2) / slide.width) - left}%`;
    frame.style.height = `${clamp((state.y + t / 2) / slide.height) - top}%`;
  });
  return root;
}

/** The line at the bottom that says what happened, or what went wrong. */
export function messages(close: () => void): HTMLElement {
  const root = h("div", { class: "message", role: "alert" });
  watch(["message"], () => {
    root.hidden = !state.message;
    fill(root, h("span", {}, state.message),
      h("button", { type: "button", class: "plain", "aria-label": "Dismiss", onclick: close }, "×"));
  });
  return root;
}
