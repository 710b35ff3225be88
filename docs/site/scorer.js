/* Weights of the results of a search: those of Sphinx, and guides before lists of names. */
var Scorer = {
  score: ([docname, title, anchor, descr, score]) => {
    const lists = ["api/", "changelog", "commands", "comparison", "architecture", "papers/"];
    return score - (lists.some((start) => docname.startsWith(start)) ? 4 : 0);
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
