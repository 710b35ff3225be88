"""Several models as one, whose maps are averaged.

An ensemble is a list of bundles, or a bundle of its own: a folder, or a zip file of it, with a
folder for each member and a ``model.yaml`` such as ::

    format: 1
    kind: ensemble
    name: three-folds
    version: '1'
    licence: CC BY-NC-SA 4.0
    members: [fold-1, fold-2, fold-3]

The post-processing is that of the first member, unless ``postprocessing`` (and ``counting``) say
otherwise. The members agree in their classes, their scale, their maps and the stain that they are
shown.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference.bundle import (
    FORMAT,
    Bundle,
    InputSpec,
    ModelCard,
    NetworkSpec,
    PostprocessingSpec,
    Steadiness,
)
from karyoscope.inference.container import Container
from karyoscope.inference.engine import Engine, Maps

#: One folder beside model.yaml: nothing that leads elsewhere.
Member = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]


class EnsembleCard(BaseModel):
    """The content of an ensemble's ``model.yaml``; see :class:`ModelCard` for the keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    kind: Literal["ensemble"]
    name: str
    version: str
    description: str = ""
    licence: str
    members: list[Member] = Field(min_length=1)
    postprocessing: PostprocessingSpec | None = None
    counting: PostprocessingSpec | None = None
    training: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    steadiness: Steadiness | None = None


class Ensemble(Bundle):
    """Bundles whose maps are averaged.

    Parameters
    ----------
    members : sequence of Bundle
        Models whose maps are averaged.
    path : path
        Where they are, for messages.
    own : dict
        Values of :class:`ModelCard` that are the ensemble's own.

    Attributes
    ----------
    members : tuple of Bundle
        Models whose maps are averaged.
    card : ModelCard
        Description of the ensemble as one model: the largest context, a size that all members take,
        the post-processing of the first, and as validation images those that no member was
        trained on.
    taxonomy : Taxonomy

    Raises
    ------
    KaryoscopeError
        If the members differ in classes, scale, maps or stain.
    """

    def __init__(self, members: Sequence[Bundle], path: Path, own: dict[str, Any]) -> None:
        self.members = tuple(members)
        self.path = path
        for member in members[1:]:
            _require_alike(members[0], member)
        self.taxonomy = members[0].taxonomy
        self.card = _joint_card(self.members).model_copy(update=own)

    @classmethod
    def open(cls, path: Path) -> Ensemble:
        """Open a bundle that is an ensemble."""
        container = Container(path)
        card = container.check(container.read_card(), EnsembleCard)
        members = [Bundle(path, folder) for folder in card.members]
        own = {name: getattr(card, name) for name in card.model_fields_set - {"kind", "members"}}
        return cls(members, path, own)

    def to_dict(self) -> dict[str, Any]:
        """See :meth:`Bundle.to_dict`."""
        return super().to_dict() | {"members": [member.card.name for member in self.members]}

    def read(self, name: str) -> bytes:
        """Refuse: the files are those of the members."""
        raise KaryoscopeError(f"{self.path} is an ensemble, which has no {name} of its own")

    def digest(self) -> str:
        """SHA-256 of the joint card and of all members."""
        # Without the key that came later, so that the digests of earlier versions stay.
        own = self.card.model_dump_json(exclude={"steadiness"})
        parts = [own, *(member.digest() for member in self.members)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def is_ensemble(path: Path) -> bool:
    """Whether the bundle at a path says that it is an ensemble."""
    return Container(path).read_card().get("kind") == "ensemble"


def _require_alike(first: Bundle, other: Bundle) -> None:
    """Refuse members whose maps cannot be averaged."""

    def classes(bundle: Bundle) -> str:
        return ", ".join(bundle.taxonomy.names)

    def maps(bundle: Bundle) -> str:
        return ", ".join(f"{name} at stride {s}" for name, s in sorted(bundle.card.maps.items()))

    traits: dict[str, Callable[[Bundle], str]] = {
        "classes": classes,
        "class ids": lambda bundle: ", ".join(map(str, bundle.taxonomy.ids)),
        "scale": lambda bundle: f"{bundle.card.mpp:g} µm/px",
        "maps": maps,
        "stain": lambda bundle: bundle.card.input.stain or "none",
    }
    for what, trait in traits.items():
        if trait(first) != trait(other):
            raise KaryoscopeError(
                f"models {first.card.name!r} and {other.card.name!r} cannot be averaged, their"
                f" {what} differ: {trait(first)}; {trait(other)}"
            )


def _joint_card(members: Sequence[Bundle]) -> ModelCard:
    cards = [member.card for member in members]
    first = cards[0]
    kept: list[Any] = [card.training.get("validation") for card in cards]
    training: dict[str, Any] = {}
    if all(isinstance(names, list) for names in kept):
        shared = set.intersection(*({str(name) for name in names} for names in kept))
        training["validation"] = sorted(shared)
    return ModelCard(
        format=FORMAT,
        name="+".join(card.name for card in cards),
        version="+".join(card.version for card in cards),
        description=f"Mean of the maps of {len(cards)} models.",
        licence=" and ".join(dict.fromkeys(card.licence for card in cards)),
        taxonomy=first.taxonomy,
        mpp=first.mpp,
        input=InputSpec(
            # The members normalise, each in its own way.
            mean=(0, 0, 0),
            std=(1, 1, 1),
            multiple_of=math.lcm(*(card.input.multiple_of for card in cards)),
            context=max(card.input.context for card in cards),
            stain=first.input.stain,
        ),
        maps=first.maps,
        network=NetworkSpec(name="ensemble", options={"members": [card.name for card in cards]}),
        postprocessing=first.postprocessing,
        counting=first.counting,
        classes_learned_on=_joined(card.classes_learned_on for card in cards),
        outlines_learned_on=_joined(card.outlines_learned_on for card in cards),
        training=training,
        plugins=first.plugins,
        packages=first.packages,
    )


def _joined(tissues: Iterable[str]) -> str:
    names = [name.strip() for tissue in tissues for name in tissue.split(",")]
    return ", ".join(dict.fromkeys(name for name in names if name))


class EnsembleEngine(Engine):
    """Run the members one after the other and average their maps.

    Parameters
    ----------
    engines : sequence of Engine
    names : iterable of str
        Maps to average; one that a member does not give, or in another shape, is left out.
    """

    def __init__(self, engines: Sequence[Engine], names: Sequence[str]) -> None:
        self._engines, self._names = engines, tuple(names)
        self.dropout = any(engine.dropout for engine in engines)
        self.batch = min(engine.batch for engine in engines)
        self.calls_at_once = min(engine.calls_at_once for engine in engines)
        places = ", ".join(dict.fromkeys(engine.device for engine in engines))
        self.device = f"{places}, {len(engines)} models"

    def expect(self, shapes: Collection[tuple[int, int]]) -> None:
        """Get ready for many images of some sizes; see :meth:`Engine.expect`."""
        for engine in self._engines:
            engine.expect(shapes)

    def run(self, images: np.ndarray) -> Maps:
        """Run a batch; see :meth:`Engine.run`."""
        return self._mean([engine.run(images) for engine in self._engines])

    def run_at_random(self, images: np.ndarray, number: int) -> Maps:
        """Run a batch with dropout on, where members have it; see :meth:`Engine.run_at_random`."""
        return self._mean([engine.run_at_random(images, number) for engine in self._engines])

    def _mean(self, found: list[Maps]) -> Maps:
        result = {}
        for name in self._names:
            parts = [maps[name] for maps in found if name in maps]
            if len(parts) == len(found) and len({part.shape for part in parts}) == 1:
                result[name] = np.mean(parts, axis=0)
        return result
