// The canvas: what part of the slide it shows, and what pointers do on it.
import { Deck, OrthographicView } from "@deck.gl/core";
import { layers } from "./layers";
import { fill, h } from "./dom";
import { perPixel, showsOutlines, state, update, watch } from "./store";
import { report } from "./status";

let deck: Deck<any> | null = null;
export const surface = h("div", { class: "surface", "aria-label": "slide", role: "application", tabindex: 0 });
const labels = h("div", { class: "labels" });

export function startStage(onPoint: (x: number, y: number, add: boolean) => void): void {
  const canvas = h("canvas", { class: "deck" });
  surface.append(canvas, labels);
  deck = new Deck({
    canvas, width: "100%", height: "100%",
    views: [], layers: [], viewState: {}, controller: true,
    useDevicePixels: Math.min(2, devicePixelRatio),
    deviceProps: { type: "webgl", webgl: { preserveDrawingBuffer: true } } as any,
    getCursor: ({ isDragging }) => (isDragging ? "grabbing" : "default"),
    onViewStateChange: ({ viewState }: any) => move(viewState.target[0], viewState.target[1], viewState.zoom),
    onClick: (info: any, event: any) => {
      if (!info.coordinate || state.tool !== "look") return;
      onPoint(info.coordinate[0], info.coordinate[1], event?.srcEvent?.shiftKey ?? false);
    },
    onError: (error: unknown) => {
      report(/webgl/i.test(String(error)) ? new Error("This browser shows no WebGL 2, which the page draws with.") : error);
    },
  });
  new ResizeObserver(() => update({ width: surface.clientWidth, height: surface.clientHeight })).observe(surface);
  watch(
    ["x", "y", "zoom", "slide", "result", "other", "hidden", "colours", "outlineOpacity", "fillOpacity",
      "nucleiShown", "colourBy", "colourRange", "filters", "selected", "sketch", "tool", "regions",
      "region", "compare", "place", "densityMost", "width", "height"],
    draw,
  );
}

function draw(): void {
  if (!deck || !state.slide) return;
  const split = state.compare === "side" && state.other !== null;
  const limits = { minZoom: leastZoom() - 1.5, maxZoom: 5 };
  const view = { target: [state.x, state.y, 0], zoom: state.zoom, ...limits };
  const controller = { scrollZoom: { speed: 0.01, smooth: false }, inertia: 250, doubleClickZoom: false,
    keyboard: false, dragPan: true, touchRotate: false } as any;
  const make = (id: string, x: string, width: string) =>
    new OrthographicView({ id, x, width, controller, flipY: true });
  deck.setProps({
    views: split ? [make("left", "0%", "50%"), make("right", "50%", "50%")] : [make("main", "0%", "100%")],
    viewState: split ? { left: view, right: view } : { main: view },
    layers: layers(),
    layerFilter: ({ layer, viewport }: any) => {
      const side = /-(left|right|main)-/.exec(layer.id)?.[1];
      return !split || !side || side === viewport.id;
    },
  } as any);
  drawLabels(split);
}

function drawLabels(split: boolean): void {
  const named = state.regions.slice(0, 100).map((region) => {
    const ring = (region.geometry.coordinates as any).flat(Infinity) as number[];
    let [left, top] = [Infinity, Infinity];
    for (let i = 0; i < ring.length; i += 2) {
      left = Math.min(left, ring[i]);
      top = Math.min(top, ring[i + 1]);
    }
    const [x, y] = toScreen(left, top);
    const label = h("span", { class: "label" }, region.properties.name);
    label.style.transform = `translate(${x}px, ${y - 22}px)`;
    return label;
  });
  const sides = split
    ? [h("span", { class: "side left" }, state.result!.info.name), h("span", { class: "side right" }, state.other!.info.name)]
    : [];
  fill(labels, named, sides);
}

/** Width of one view; half of the canvas where two results are side by side. */
export const viewWidth = (): number =>
  state.compare === "side" && state.other ? state.width / 2 : state.width;

export function toScreen(x: number, y: number): [number, number] {
  const scale = 2 ** state.zoom;
  return [(x - state.x) * scale + viewWidth() / 2, (y - state.y) * scale + state.height / 2];
}

export function toSlide(px: number, py: number): [number, number] {
  const w = viewWidth();
  return [state.x + ((px % w) - w / 2) * perPixel(), state.y + (py - state.height / 2) * perPixel()];
}

/** Zoom at which the whole slide fits. */
export function leastZoom(): number {
  const { slide } = state;
  if (!slide || !slide.width) return -10;
  const room = Math.min(viewWidth() / slide.width, state.height / slide.height);
  return Math.log2(Math.max(1e-6, room * 0.92));
}

export function move(x: number, y: number, zoom: number): void {
  const { slide } = state;
  if (!slide) return;
  const low = leastZoom() - 1.5;
  update({
    x: Math.min(slide.width, Math.max(0, x)),
    y: Math.min(slide.height, Math.max(0, y)),
    zoom: Math.min(5, Math.max(low, zoom)),
  });
}

export function fit(): void {
  const { slide } = state;
  if (slide) move(slide.width / 2, slide.height / 2, leastZoom());
}

/** Show a box, and outlines in it. */
export function showBox(x: number, y: number, width: number, height: number): void {
  const room = Math.min(viewWidth() / width, state.height / height) * 0.6;
  move(x + width / 2, y + height / 2, Math.log2(room));
}

/** Go to a nucleus, near enough to see its outline. */
export function showPoint(x: number, y: number): void {
  const near = showsOutlines() ? state.zoom : Math.log2((state.slide?.mpp[0] ?? 0.5) / 0.5);
  move(x, y, Math.max(near, Math.log2((state.slide?.mpp[0] ?? 0.5) / 0.5)));
}

export const canvasOf = (): HTMLCanvasElement => surface.querySelector("canvas.deck")!;

/** Draw at once, so that the picture is that of now. */
export function redraw(): void {
  draw();
  deck?.redraw("screenshot");
}
