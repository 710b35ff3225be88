// Colours of numbers (viridis, of equal steps to the eye and fit for colour-blind readers).
type RGB = [number, number, number];
const STOPS: RGB[] = [
  [68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140],
  [40, 174, 128], [94, 201, 98], [173, 220, 48], [253, 231, 37],
];
export const NO_VALUE: RGB = [150, 150, 150];

export function viridis(share: number): RGB {
  if (!Number.isFinite(share)) return NO_VALUE;
  const at = Math.min(1, Math.max(0, share)) * (STOPS.length - 1);
  const i = Math.min(STOPS.length - 2, Math.floor(at));
  const [a, b] = [STOPS[i], STOPS[i + 1]];
  return [0, 1, 2].map((k) => Math.round(a[k] + (b[k] - a[k]) * (at - i))) as RGB;
}

export const css = ([r, g, b]: RGB): string => `rgb(${r} ${g} ${b})`;
export const hex = (c: RGB): string => "#" + c.map((v) => v.toString(16).padStart(2, "0")).join("");
export const unhex = (text: string): RGB =>
  [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)) as RGB;

/** What a comparison says of a nucleus, in the order of its codes. */
export const CODES: { name: "agrees" | "other class" | "extra" | "missed"; color: RGB }[] = [
  { name: "agrees", color: [120, 130, 140] },
  { name: "other class", color: [230, 159, 0] },
  { name: "extra", color: [204, 80, 160] },
  { name: "missed", color: [0, 114, 200] },
];
