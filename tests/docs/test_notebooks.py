"""The outputs stored in the notebooks are those of their cells and of the shipped model."""

import difflib
import re

import pytest
from notebook_outputs import EXAMPLES, tool

from karyoscope.core.taxonomy import Taxonomy

NOTEBOOKS = sorted(path.stem for path in EXAMPLES.glob("*.ipynb"))
#: What is trained differs between processors; test_correction_notebook.py and
#: test_finetuning_notebook.py look at the files.
TRAINED = {"correction", "finetuning"}
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?")
WORD = re.compile(NUMBER.pattern + r"|[^\W\d]+|[^\w\s]")
CLASSES = {found.name for found in Taxonomy.load("lizard").classes}


def stored(name):
    nbformat = pytest.importorskip("nbformat", reason="notebooks are of the extra `dev`")
    return nbformat.read(EXAMPLES / f"{name}.ipynb", 4)


def shown(book):
    """Texts that the cells show, without the spaces of their layout and what the machine is."""
    for cell in book.cells:
        for output in cell.get("outputs", []):
            text = output.get("text") or output.get("data", {}).get("text/plain", "")
            text = re.sub(r" in [\d.]+ s on .*|, about .* left", "", text)
            yield " ".join(text.split())


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_outputs_were_made_by_these_cells_and_this_model(name):
    book = stored(name)
    assert book.metadata.get("karyoscope") == tool().made_with(book), (
        f"execute it again: python scripts/execute_notebooks.py {name}"
    )


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_output_is_an_error_or_names_a_folder_of_this_machine(name):
    book = stored(name)
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert outputs
    assert all(output.output_type != "error" for output in outputs)
    assert not any(re.search(r"/(home|tmp|root|work|Users)/", text) for text in shown(book))


def words_of(texts):
    """Words and numbers in order; the words have 0 in place of each number."""
    found = [word for text in texts for word in WORD.findall(text)]
    return ["0" if NUMBER.fullmatch(word) else word for word in found], found


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*NOTEBOOKS} - TRAINED))
def test_an_execution_shows_what_is_stored(name, executed):
    """The same words, with numbers and classes that differ no more than those of two processors.

    The class of a nucleus between two may be the other one on another processor, and a row of a
    rare class then comes or goes.
    """
    old, before = words_of(shown(stored(name)))
    new, after = words_of(shown(executed(name)[0]))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    differing = [
        word
        for tag, i, j, k, m in matcher.get_opcodes()
        if tag != "equal"
        for word in old[i:j] + new[k:m]
    ]
    assert {*differing} <= {"0", *CLASSES}
    assert len(differing) <= 0.05 * len(old)
    pairs = [
        (float(before[block.a + i]), float(after[block.b + i]))
        for block in matcher.get_matching_blocks()
        for i in range(block.size)
        if old[block.a + i] == "0"
    ]
    near = [abs(a - b) <= 0.05 * abs(a) + 0.01 for a, b in pairs]
    assert len(pairs) > 10
    assert sum(near) >= 0.85 * len(near)
