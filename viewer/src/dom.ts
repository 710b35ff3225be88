// Elements without markup: every text goes in as text, so no name can become HTML.
export type Child = Node | string | number | null | undefined | false;
type Attributes = Record<string, unknown>;

/** Make an element; keys that begin with "on" are listeners, the others attributes. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Child | Child[])[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value as EventListener);
    else if (key === "value") (element as HTMLInputElement).value = String(value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...texts(children));
  return element;
}

/** Replace what is in an element, and keep the focus on the control of the same name. */
export function fill(element: Element, ...children: (Child | Child[])[]): void {
  const focused = document.activeElement;
  const key = focused && element.contains(focused) ? focused.getAttribute("data-key") : null;
  element.replaceChildren(...texts(children));
  if (key) element.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

function texts(children: (Child | Child[])[]): (Node | string)[] {
  return children
    .flat()
    .filter((c): c is Node | string | number => c !== null && c !== undefined && c !== false)
    .map((c) => (typeof c === "number" ? String(c) : c));
}

/** A line drawing of 20 by 20, in the colour of the text. */
export function drawing(path: string): SVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg"), line = document.createElementNS(space, "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 20 20", width: "18", height: "18", fill: "none",
    stroke: "currentColor", "stroke-width": "1.6", "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export const count = (n: number): string => Math.round(n).toLocaleString("en");

/** A number in three digits, and a dash where there is none. */
export function short(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return "–";
  if (Math.abs(n) >= 1000) return count(n);
  return String(Number(n.toPrecision(3)));
}

export const percent = (n: number | null): string => (n === null ? "–" : `${(100 * n).toFixed(1)} %`);

/** Name of a column as people say it: "area_um2" is "area µm²". */
export function spoken(name: string): string {
  if (name.startsWith("p_")) return `probability ${name.slice(2)}`;
  return name
    .replace(/_per_mm2$/, " per mm²")
    .replace(/_mm2$/, " mm²")
    .replace(/_um2$/, " µm²")
    .replace(/_um$/, " µm")
    .replace(/_deg$/, " °")
    .replace(/_od$/, " OD")
    .replace(/(\d)um_/, "$1 µm ")
    .replaceAll("_", " ");
}

export function save(name: string, data: Blob): void {
  const link = h("a", { href: URL.createObjectURL(data), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
