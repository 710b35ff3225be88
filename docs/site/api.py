"""Pages of the Python interface: every public name of every public module."""

import inspect
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

#: Public modules by the part of the work they belong to, in the order of the pages.
MODULES = {
    "For everyone": {
        "karyoscope": "segment, load a model, open a slide, score",
        "karyoscope.slides": "files in, pixels at a physical scale out",
        "karyoscope.stains": "stain normalisation",
        "karyoscope.inference": "a model in, maps out",
        "karyoscope.postprocessing": "maps in, nuclei out",
        "karyoscope.features": "features of nuclei",
        "karyoscope.pipeline": "slides in, files out, block by block",
        "karyoscope.formats": "nuclei in, files out",
        "karyoscope.plotting": "figures of nuclei in matplotlib",
        "karyoscope.drawing": "nuclei drawn on pixels",
        "karyoscope.report": "pages, figures and tables",
        "karyoscope.view": "the viewer's server",
        "karyoscope.napari_plugin.reader": "files as layers of napari",
        "karyoscope.cluster": "several machines",
        "karyoscope.core.plugins": "plugin files and packages",
        "karyoscope.core.registry": "entries by name",
    },
    "Annotated images and scores": {
        "karyoscope.datasets": "published annotation layouts",
        "karyoscope.datasets.from_paths": "folders of annotated images by their path",
        "karyoscope.datasets.on_disk": "the base of a dataset layout",
        "karyoscope.datasets.labels": "annotations as label maps",
        "karyoscope.datasets.image_files": "images of datasets",
        "karyoscope.datasets.files": "images matched with their annotations",
        "karyoscope.datasets.resample": "annotated images at another scale",
        "karyoscope.metrics": "scores of two label maps",
        "karyoscope.metrics.accumulate": "the base of an accumulator of scores",
        "karyoscope.evaluation": "predictions and models against annotated images",
        "karyoscope.evaluation.correction": "annotated images from corrections in the viewer",
        "karyoscope.evaluation.predictions": "predictions of other programs",
    },
    "Training": {
        "karyoscope.training": "recipes in, checkpoints out",
        "karyoscope.training.recipe": "the keys of a recipe",
        "karyoscope.training.source": "a recipe for a folder of images",
        "karyoscope.training.augmentation": "random geometry and colour",
        "karyoscope.training.data": "tiles and batches",
        "karyoscope.training.packed": "a training set in one file",
        "karyoscope.training.optim": "optimisers, learning rates, phases",
        "karyoscope.training.bundle": "a checkpoint in, a model bundle out",
        "karyoscope.training.crossval": "cross-validation",
        "karyoscope.training.ablation": "grids of trainings, and their tables",
        "karyoscope.training.restain": "stain normalisation networks",
        "karyoscope.training.synthesis": "mask-to-image networks",
        "karyoscope.inference.torch_engine": "a bundle as a PyTorch module",
        "karyoscope.networks": "networks by name",
        "karyoscope.networks.outputs": "outputs of networks, and how many channels they have",
        "karyoscope.losses": "losses by name",
        "karyoscope.losses.labels": "labels compared with logits",
        "karyoscope.targets": "targets by name",
        "karyoscope.pretrained": "encoder weights from public packages",
    },
}


def public_names(module: ModuleType) -> list[str]:
    """Return the public names of a module: ``__all__``, or what it defines itself."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(name for name in listed if not name.startswith("__"))
    own = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (
            getattr(value, "__module__", None) == module.__name__
            or (name.isupper() and not inspect.isclass(value))
        )
    ]
    return sorted(own)


@cache
def homes() -> dict[int, str]:
    """Return the dotted name under which each public object is described, by its identity."""
    found: dict[int, str] = {}
    for modules in MODULES.values():
        for dotted in modules:
            module = import_module(dotted)
            for name in public_names(module):
                if _kind(getattr(module, name))[0] != "Values":
                    found.setdefault(id(getattr(module, name)), f"{dotted}.{name}")
    return found


def api_pages() -> dict[str, str]:
    """Return the pages by their path in the site, in reStructuredText."""
    pages = {}
    contents = []
    for part, modules in MODULES.items():
        contents.append(f"{part}\n{'-' * len(part)}\n")
        contents.append(".. toctree::\n   :hidden:\n")
        listed = []
        for dotted, about in modules.items():
            contents.append(f"   {dotted}")
            listed.append(f"* :py:mod:`{dotted}`: {about}")
            pages[f"api/{dotted}.rst"] = _page(import_module(dotted))
        contents.append("")
        contents += [*listed, ""]
    title = "API"
    about = (
        "Every public name, by module. `karyoscope from Python <../python.html>`_ has examples "
        "that run from top to bottom; a name that is not here may change without notice.\n"
    )
    pages["api/index.rst"] = f"{title}\n{'=' * len(title)}\n\n{about}\n" + "\n".join(contents)
    return pages


def _page(module: ModuleType) -> str:
    dotted = module.__name__
    lines = [dotted, "=" * len(dotted), "", f".. py:module:: {dotted}", ""]
    lines += [*inspect.cleandoc(module.__doc__ or "").splitlines(), ""]
    kinds: dict[str, list[str]] = {"Functions": [], "Classes": [], "Values": []}
    elsewhere = []
    for name in public_names(module):
        value = getattr(module, name)
        kind, directive = _kind(value)
        home = homes().get(id(value), f"{dotted}.{name}") if kind != "Values" else ""
        if home not in ("", f"{dotted}.{name}"):
            elsewhere.append(f"* :py:obj:`{home}`")
            continue
        kinds[kind].append(_entry(module, name, value, directive))
    for kind, entries in kinds.items():
        if entries:
            lines += [kind, "-" * len(kind), "", *entries]
    if elsewhere:
        lines += ["Also importable from here", "-" * 25, "", *elsewhere, ""]
    return "\n".join(lines)


def _kind(value: Any) -> tuple[str, str]:
    if inspect.isclass(value):
        return "Classes", "autoclass"
    if inspect.isroutine(value) or type(value).__name__ in ("CPUDispatcher", "_lru_cache_wrapper"):
        return "Functions", "autofunction"
    return "Values", "data"


def _entry(module: ModuleType, name: str, value: Any, directive: str) -> str:
    if directive == "data":
        entries = getattr(value, "names", None)
        if callable(entries):
            listed = ", ".join(f"``{entry}``" for entry in entries())
            return f".. py:data:: {name}\n\n   Names: {listed}.\n"
        shown = " ".join(repr(value).split())
        shown = shown if len(shown) < 200 and " at 0x" not in shown else type(value).__name__
        return f".. py:data:: {name}\n\n   ``{shown}``\n"
    members = "   :members:\n" if directive == "autoclass" else ""
    return f".. {directive}:: {name}\n{members}"
