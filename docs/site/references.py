"""References of docstrings to names that have no entry under that path."""

from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.util.nodes import make_refnode

from api import homes


def _resolved(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Return a link to where the object is described; of an internal name its text.

    A name that does not exist is left, and is a warning.
    """
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("karyoscope."):
        return None
    value = _found(target)
    if value is None:
        return None
    home = homes().get(id(value))
    entry = env.domains["py"].objects.get(home) if home else None
    if entry is None:
        return nodes.literal("", target.rpartition(".")[2])
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode, home)


def _found(dotted: str) -> Any:
    """Return the object of a dotted name, or None."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for name in parts[cut:]:
            value = getattr(value, name, None)
        return value
    return None


def setup(app: Any) -> dict[str, bool]:
    """Register the handler."""
    app.connect("missing-reference", _resolved)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
