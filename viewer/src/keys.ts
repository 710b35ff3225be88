// Keys: everything that a pointer does has one.
import { clickAt, erase, giveClass, markReviewed, merge, select, step, stepQueue, undo } from "./actions";
import { back, close, pick, pointAtCross } from "./draw";
import { toggleClass } from "./panel/classes";
import { savePicture } from "./picture";
import { fit, move, surface, viewWidth } from "./stage";
import { say, trying } from "./status";
import { perPixel, state, update, type Tab, type Tool } from "./store";

export const KEYS: [string, string][] = [
  ["← ↑ ↓ →", "move; with Shift farther"], ["+  −  0", "nearer, farther, whole slide"],
  ["Tab  Shift+Tab", "on the slide: next, previous nucleus in view"], ["Space", "click at the cross in the middle"],
  ["1 – 9", "with Correct open and a nucleus selected: give the class; else show or hide it"],
  ["H", "hide or show all nuclei"], ["P  B  O", "polygon, rectangle, circle"],
  ["A  S  G", "add, split, click-segment a nucleus"], ["M  Del  Ctrl+Z", "merge, delete, undo"],
  ["[  ]  V", "previous, next place of the queue; reviewed"], ["F", "find a nucleus by its id"],
  ["N  R  C  E", "nuclei, regions, compare, correct"], ["I", "panel open or closed"], ["T", "slides"],
  ["L", "copy a link to this view"], ["W", "picture with scale bar"], ["?", "this list"], ["Esc", "give up, deselect"],
];
const TABS: Record<string, Tab> = { n: "nuclei", r: "regions", c: "compare", e: "correct" };
const TOOLS: Record<string, Tool> = { p: "polygon", b: "rectangle", o: "circle", a: "add", s: "split", g: "segment" };

export function copyLink(): void {
  void trying(async () => {
    await new Promise((done) => setTimeout(done, 300));
    try {
      await navigator.clipboard.writeText(location.href);
    } catch {
      // Not without permission, and not at all where the page comes unencrypted from another machine.
      return say("This browser lets the page copy nothing: the link is the page's address, above.", 0);
    }
    say("Link to this view copied; it works while the server runs.");
  });
}

export function startKeys(help: () => void, slides: () => void): void {
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    if (target.closest("input:not([type=range]):not([type=checkbox]):not([type=color]), select, textarea, dialog")) {
      if (event.key === "Escape") target.blur();
      return;
    }
    const onControl = target !== surface && target.closest("button, input, a, label");
    if (onControl && [" ", "Enter", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"].includes(event.key)) return;
    if (act(event, help, slides)) event.preventDefault();
  });
}

function act(event: KeyboardEvent, help: () => void, slides: () => void): boolean {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    if (key !== "z") return false;
    undo();
    return true;
  }
  if (event.altKey) return false;
  const far = (event.shiftKey ? 0.5 : 0.12) * viewWidth() * perPixel();
  const to = (dx: number, dy: number, zoom = 0) => move(state.x + dx, state.y + dy, state.zoom + zoom);
  if (/^[1-9]$/.test(key)) {
    if (state.tab === "correct" && state.selected.length) giveClass(Number(key));
    else {
      const found = state.result?.info.classes[Number(key)];
      if (found) toggleClass(found.id);
    }
    return true;
  }
  if (state.slide && TABS[key]) {
    update({ tab: TABS[key], panelOpen: true });
    return true;
  }
  if (state.result && TOOLS[key]) {
    const writes = ["a", "s", "g"].includes(key);
    if (writes && !state.catalogue.may.edit) say("Start `karyoscope view` with --edit to correct.");
    else if (key === "g" && !state.catalogue.may.segment) say("Start with --edit --model NAME to segment by a click.");
    else if (key === "s" && !state.selected.length) say("Select the nucleus to split first.");
    else pick(TOOLS[key]);
    return true;
  }
  switch (key) {
    case "ArrowLeft": to(-far, 0); break;
    case "ArrowRight": to(far, 0); break;
    case "ArrowUp": to(0, -far); break;
    case "ArrowDown": to(0, far); break;
    case "+": case "=": to(0, 0, 0.5); break;
    case "-": case "_": to(0, 0, -0.5); break;
    case "0": fit(); break;
    case "Tab":
      if (event.target !== surface || !state.result || event.shiftKey && !state.selected.length) return false;
      step(event.shiftKey ? -1 : 1);
      break;
    case " ": state.tool === "look" ? clickAt(state.x, state.y, event.shiftKey) : pointAtCross(); break;
    case "Enter": close(); break;
    case "Backspace": state.tool === "look" ? erase() : back(); break;
    case "Delete": erase(); break;
    case "Escape":
      if (state.tool !== "look") update({ tool: "look", sketch: [] });
      else if (state.selected.length) void select([]);
      else if (document.activeElement === surface) surface.blur();
      break;
    case "h": update({ nucleiShown: !state.nucleiShown }); break;
    case "m": merge(); break;
    case "[": void stepQueue(-1); break;
    case "]": void stepQueue(1); break;
    case "v": markReviewed(); break;
    case "f":
      update({ tab: "nuclei", panelOpen: true });
      setTimeout(() => document.getElementById("find")?.focus());
      break;
    case "i": update({ panelOpen: !state.panelOpen }); break;
    case "l": copyLink(); break;
    case "w": void savePicture(); break;
    case "t": slides(); break;
    case "?": help(); break;
    default: return false;
  }
  return true;
}
