// Image, densities, outlines, regions: all layers of the one canvas.
import { TileLayer } from "@deck.gl/geo-layers";
import { BitmapLayer, PathLayer, SolidPolygonLayer } from "@deck.gl/layers";
import type { Layer } from "@deck.gl/core";
import { getBlob } from "./api";
import { CODES, NO_VALUE, viridis } from "./colour";
import { densityImage, densityKey } from "./density";
import { passes, type Result, type Tile } from "./result";
import { colourOf, showsOutlines, state } from "./store";
import { report } from "./status";
import type { Ring } from "./types";

type RGBA = [number, number, number, number];
let styleVersion = 0;
let grounds: { key: string; image: Promise<ImageBitmap> } | null = null;
/** Outlines take new colours after this. */
export const restyle = (): void => { styleVersion++; };

export function layers(): Layer[] {
  const { slide, result, other, compare } = state;
  if (!slide || !slide.width) return [];
  const found: (Layer | null)[] = slide.levels ? [ground(), image()] : [];
  if (state.nucleiShown && result) {
    const split = compare === "side" && other;
    found.push(...nuclei(result, split ? "left" : "main"));
    if (split) found.push(...nuclei(other, "right"));
    if (compare === "over" && other && showsOutlines()) found.push(...nuclei(other, "main"));
  }
  found.push(...regions(), ...selection(), ...sketch());
  return found.filter((l): l is Layer => l !== null);
}

/** The coarsest tile, under the others, so that no part of the slide is blank while they load. */
function ground(): Layer {
  const slide = state.slide!;
  if (grounds?.key !== slide.key) {
    const path = `slides/${slide.key}/tiles/${slide.levels - 1}/0_0.jpg`;
    grounds = { key: slide.key, image: getBlob(path).then((blob) => createImageBitmap(blob)) };
  }
  return new BitmapLayer({
    id: `ground-${slide.key}`,
    image: grounds.image as any,
    bounds: [0, slide.height, slide.width, 0],
    onError: report,
    textureParameters: { minFilter: "linear", magFilter: "linear" },
  } as any);
}

function image(): Layer {
  const slide = state.slide!;
  return new TileLayer({
    id: `image-${slide.key}`,
    tileSize: slide.tile,
    minZoom: 1 - slide.levels,
    maxZoom: 0,
    extent: [0, 0, slide.width, slide.height],
    maxRequests: 8,
    maxCacheSize: 400,
    refinementStrategy: "best-available",
    getTileData: async ({ index: { x, y, z }, signal }) => {
      const blob = await getBlob(`slides/${slide.key}/tiles/${-z}/${x}_${y}.jpg`, signal);
      return createImageBitmap(blob);
    },
    onTileError: report,
    renderSubLayers: (props: any) => {
      const [[left, top]] = props.tile.boundingBox;
      const factor = 2 ** -props.tile.index.z;
      // Tiles at the far edges are smaller.
      const [right, bottom] = [left + props.data.width * factor, top + props.data.height * factor];
      return new BitmapLayer(props, {
        data: undefined,
        image: props.data,
        bounds: [left, bottom, right, top],
        textureParameters: { minFilter: "linear", magFilter: "linear", mipmapFilter: "linear" },
      } as any);
    },
  });
}

function nuclei(result: Result, view: string): Layer[] {
  return showsOutlines() ? [outlines(result, view), ...added(result, view)] : [densities(result, view)];
}

function densities(result: Result, view: string): Layer {
  const { slide } = state, { info } = result;
  return new TileLayer({
    id: `density-${view}-${densityKey(result)}`,
    tileSize: info.tile,
    minZoom: 1 - info.levels,
    maxZoom: 0,
    zoomOffset: 1,
    extent: [0, 0, slide!.width, slide!.height],
    maxRequests: 4,
    getTileData: ({ index: { x, y, z } }) => densityImage(result, -z, x, y),
    onTileError: report,
    renderSubLayers: (props: any) => {
      const [[left, top], [right, bottom]] = props.tile.boundingBox;
      return new BitmapLayer(props, {
        data: undefined,
        image: props.data,
        bounds: [left, bottom, right, top],
        textureParameters: { minFilter: "linear", magFilter: "nearest" },
      } as any);
    },
  });
}

function outlines(result: Result, view: string): Layer {
  const { slide } = state, { info } = result;
  return new TileLayer({
    id: `nuclei-${view}-${result.key}`,
    tileSize: info.tile,
    minZoom: 0,
    maxZoom: 0,
    extent: [0, 0, slide!.width, slide!.height],
    maxRequests: 6,
    maxCacheSize: 200,
    getTileData: async ({ index: { x, y } }) => {
      if (x < 0 || y < 0 || x >= info.across || y >= info.down) return null;
      return result.tile(x, y);
    },
    onTileError: report,
    updateTriggers: { renderSubLayers: styleVersion },
    renderSubLayers: (props: any) => {
      const tile = props.data as Tile | null;
      if (!tile || !tile.count) return null;
      const data = { length: tile.count };
      const paint = painter(result, tile);
      const triggers = { getColor: styleVersion, getFillColor: styleVersion };
      const ring = (_: unknown, { index }: { index: number }) => result.outline(tile, index);
      const parts: Layer[] = [];
      if (state.fillOpacity > 0) {
        parts.push(new SolidPolygonLayer({
          id: `${props.id}-fill`, data, getPolygon: ring as any, positionFormat: "XY",
          getFillColor: ((_: unknown, { index }: any) => paint(index, state.fillOpacity)) as any,
          updateTriggers: triggers,
        }));
      }
      parts.push(new PathLayer({
        id: `${props.id}-line`, data, getPath: ring as any, positionFormat: "XY",
        _pathType: "loop", widthUnits: "pixels", getWidth: 1.5, jointRounded: true,
        getColor: ((_: unknown, { index }: any) => paint(index, state.outlineOpacity)) as any,
        updateTriggers: triggers,
      }));
      return parts;
    },
  });
}

/** Colour of each nucleus of a tile; transparent where it is not to be seen. */
function painter(result: Result, tile: Tile): (i: number, opacity: number) => RGBA {
  const { hidden, filters, colourBy, colourRange, compare } = state;
  const second = compare === "over" && result.against?.mine === "second";
  const mine = result === state.result ? filters : [];
  const column = colourBy !== null && result === state.result ? tile.values.get(colourBy) : null;
  const span = colourRange ? colourRange.high - colourRange.low || 1 : 1;
  return (i, opacity) => {
    const classId = result.classOf(tile, i);
    const gone = result.removed.has(tile.ids[i]) || hidden.has(classId);
    const code = tile.codes?.[i];
    if (gone || !passes(tile, i, mine) || (second && code !== 3)) return [0, 0, 0, 0];
    let rgb: [number, number, number];
    if (compare === "over") rgb = code === undefined ? NO_VALUE : CODES[code].color;
    else if (column && colourRange) rgb = viridis((column[i] - colourRange.low) / span);
    else rgb = colourOf(classId);
    return [...rgb, 255 * opacity];
  };
}

function added(result: Result, view: string): Layer[] {
  const shown = result.added.filter((a) => !state.hidden.has(a.class));
  if (!shown.length) return [];
  return [
    new PathLayer({
      id: `added-${view}-${result.key}`, data: shown, getPath: (a) => a.outline as any,
      _pathType: "loop", positionFormat: "XY", widthUnits: "pixels", getWidth: 2,
      getColor: (a) => [...colourOf(a.class), 255 * state.outlineOpacity] as RGBA,
      updateTriggers: { getColor: styleVersion },
    }),
  ];
}

function regions(): Layer[] {
  const rings = state.regions.flatMap((region, place) =>
    ringsOf(region.geometry.coordinates).map((ring) => ({ ring, place, region })),
  );
  if (!rings.length) return [];
  return [
    new PathLayer({
      id: "regions", data: rings, getPath: (r) => r.ring as any, positionFormat: "XY",
      widthUnits: "pixels", getWidth: (r) => (r.place === state.region ? 3.5 : 2),
      getColor: (r) => (r.region.properties.reviewed ? [0, 140, 100, 255] : [25, 90, 220, 255]),
      updateTriggers: { getWidth: state.region, getColor: styleVersion },
    }),
  ];
}

export function ringsOf(coordinates: unknown): Ring[] {
  const list = coordinates as any[];
  if (typeof list[0]?.[0] === "number") return [list as Ring];
  return list.flatMap(ringsOf);
}

function selection(): Layer[] {
  const { result, selected, place, catalogue } = state;
  const data: Float32Array[] = [];
  for (const id of result ? selected : []) {
    const ring = result!.outlineOf(id);
    if (ring) data.push(ring);
  }
  const at = catalogue.queue[place];
  const found: Layer[] = [];
  if (data.length) {
    found.push(
      line("selected-halo", data, [255, 255, 255, 230], 5, "loop"),
      line("selected", data, [20, 20, 20, 255], 2, "loop"),
    );
  }
  if (at && at.slide === state.slide?.key) {
    const [l, t, r, b] = [at.x, at.y, at.x + at.width, at.y + at.height];
    found.push(line("place", [[l, t, r, t, r, b, l, b]], [20, 20, 20, 220], 2, "loop"));
  }
  return found;
}

function sketch(): Layer[] {
  const { sketch, tool } = state;
  if (sketch.length < 2) return [];
  const type = tool === "split" ? "open" : "loop";
  const data = [sketch.flat()];
  return [
    line("sketch-halo", data, [255, 255, 255, 220], 5, type),
    line("sketch", data, [25, 90, 220, 255], 2.5, type),
  ];
}

function line(id: string, data: any[], color: RGBA, width: number, type: "loop" | "open"): Layer {
  const closed = type === "loop" && data[0].length > 4 ? "loop" : "open";
  return new PathLayer({
    id: `${id}-${closed}`, data, getPath: (d: any) => d, positionFormat: "XY", _pathType: closed,
    widthUnits: "pixels", getWidth: width, getColor: color, jointRounded: true, capRounded: true,
  });
}
