// Corrections: tools, the queue of places to review, and what becomes of it.
import { erase, markReviewed, merge, stepQueue, undo } from "../actions";
import { send } from "../api";
import { count, fill, h } from "../dom";
import { say, trying } from "../status";
import { state, update, watch, type Tool } from "../store";
import { toolbar } from "./regions";

const TOOLS: [Tool, string, string][] = [["add", "Add", "A"], ["split", "Split", "S"]];
const MODEL_TOOL: [Tool, string, string] = ["segment", "Click-segment", "G"];

async function collect(): Promise<void> {
  const found = await trying(() => send<{ folder: string; file: string; images: number; nuclei: number }>(`results/${state.result!.key}/collect`, {}));
  if (found) say(`${found.images} images with ${count(found.nuclei)} nuclei written to ${found.folder}, beside the results; ${found.file} is for \`karyoscope data collect\`.`, 0);
}

export function correctPart(): HTMLElement {
  const root = h("section", {}, h("h2", {}, "Correct"));
  const body = h("div"), queue = h("div");
  const several = h("input", { type: "checkbox", "data-key": "several", onchange: () => update({ several: several.checked }) });
  watch(["catalogue", "result"], () => {
    const { result, catalogue } = state;
    if (!result) return fill(body, h("p", { class: "note" }, "Open a result to correct its nuclei."));
    if (!catalogue.may.edit) {
      return fill(body, h("p", { class: "note" }, "Nothing is written here. Start ", h("code", {}, "karyoscope view … --edit"),
        " to change classes, delete, add, split and merge; every correction then goes to a journal beside the results, which stay as they are."));
    }
    const tools = catalogue.may.segment ? [...TOOLS, MODEL_TOOL] : TOOLS;
    fill(body,
      h("p", { class: "note" }, "Select with a click, more with Shift. Keys ", h("span", { class: "keys" }, h("kbd", {}, "1"), "– ", h("kbd", {}, "9")), "give a class."),
      h("label", { class: "check" }, several, "Select several, without Shift"),
      toolbar(tools),
      h("div", { class: "row wrap" },
        h("button", { type: "button", onclick: merge }, "Merge ", h("kbd", {}, "M")),
        h("button", { type: "button", onclick: erase }, "Delete ", h("kbd", {}, "Del")),
        h("button", { type: "button", onclick: undo }, "Undo ", h("kbd", {}, "Ctrl Z"))),
      h("p", { class: "note" }, `${count(result.edits)} entries in the journal.`,
        result.info.damaged_edits ? ` ${result.info.damaged_edits} lines of it cannot be read.` : ""),
      h("button", { type: "button", onclick: () => void collect() }, "Write reviewed regions as a dataset"));
  });
  watch(["place", "catalogue"], () => {
    const places = state.catalogue.queue;
    if (!places.length) return fill(queue);
    const at = places[state.place];
    fill(queue, h("h3", {}, "Queue"),
      h("p", { class: "note" }, at ? `Place ${state.place + 1} of ${places.length} ${at.note}` : `${places.length} places to review`),
      h("div", { class: "row wrap" },
        h("button", { type: "button", "data-key": "previous", onclick: () => void stepQueue(-1) }, "Previous ", h("kbd", {}, "[")),
        h("button", { type: "button", "data-key": "next", onclick: () => void stepQueue(1) }, "Next ", h("kbd", {}, "]")),
        h("button", { type: "button", "data-key": "reviewed", onclick: markReviewed }, "Reviewed ", h("kbd", {}, "V"))));
  });
  root.append(body, queue);
  return root;
}
