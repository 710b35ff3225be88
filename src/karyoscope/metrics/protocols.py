"""The evaluation protocols of the field: which metrics, with which conventions.

A protocol is data: which accumulators it runs and under which names their scores are reported. A
further protocol is one function and one line in ``PROTOCOLS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from karyoscope.core.registry import Registry
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.accumulate import Accumulator
from karyoscope.metrics.composition import CompositionAccumulator
from karyoscope.metrics.confusion import ConfusionAccumulator
from karyoscope.metrics.detection import DetectionAccumulator
from karyoscope.metrics.dice import DiceAccumulator
from karyoscope.metrics.jaccard import JaccardAccumulator
from karyoscope.metrics.objects import ObjectAccumulator
from karyoscope.metrics.overlap import OverlapAccumulator
from karyoscope.metrics.panoptic import PanopticAccumulator

# Name in the result -> accumulator of the protocol and its name there.
Names = Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Protocol:
    """One way to score a set of images.

    Attributes
    ----------
    name : str
        In the registry.
    repeats : str
        The publication or code whose figures it gives.
    needs_mpp : bool
        Whether lengths enter.
    build : callable
        ``(taxonomy or None, mpp or None) -> {name: accumulator}``, all empty.
    overall, classes : mapping
        What is reported of all nuclei and of each class. Names that an accumulator does not give
        (scores of classes, where there are none) are left out.
    set_only : frozenset of str
        Reported of the set, but meaningless for one image.
    """

    name: str
    repeats: str
    needs_mpp: bool
    build: Callable[[Taxonomy | None, float | None], dict[str, Accumulator]]
    overall: Names
    classes: Names
    set_only: frozenset[str] = frozenset()


def _names(accumulator: str, *scores: str, **renamed: str) -> dict[str, tuple[str, str]]:
    names = {score: (accumulator, score) for score in scores}
    return names | {name: (accumulator, score) for name, score in renamed.items()}


_PQ_COUNTS = ("tp", "fp", "fn", "sum_iou")


def _build_conic(taxonomy: Taxonomy | None, mpp: float | None) -> dict[str, Accumulator]:
    parts: dict[str, Accumulator] = {
        "panoptic": PanopticAccumulator(taxonomy, epsilon="conic", absent="zero", mixed="cut"),
        "dice": DiceAccumulator(),
        "jaccard": JaccardAccumulator(),
        "confusion": ConfusionAccumulator(taxonomy),
    }
    if taxonomy:
        parts["composition"] = CompositionAccumulator(taxonomy)
    return parts


_CONIC = Protocol(
    name="conic",
    repeats="CoNIC 2022 (Graham et al.), TissueImageAnalytics/CoNIC compute_stats.py",
    needs_mpp=False,
    build=_build_conic,
    overall=_names("panoptic", "pq", "dq", "sq", "mpq_plus", "mpq_plus_present")
    | _names("composition", "r2", "r2_present")
    | _names("confusion", "acc", "acc_balanced")
    | _names("dice", "dice")
    | _names("jaccard", "aji", "aji_plus"),
    classes=_names("panoptic", "pq", "dq", "sq", *_PQ_COUNTS)
    | _names("composition", "r2", counted_true="true", counted_pred="pred")
    | _names("confusion", "acc"),
    set_only=frozenset({"r2", "r2_present"}),
)


def _build_hovernet(taxonomy: Taxonomy | None, mpp: float | None) -> dict[str, Accumulator]:
    return {
        "panoptic": PanopticAccumulator(taxonomy, epsilon="hover_net", absent="skip_empty"),
        "dice": DiceAccumulator(),
        "jaccard": JaccardAccumulator(),
        "detection": DetectionAccumulator(taxonomy, mpp=mpp or 0.0),
    }


_HOVERNET = Protocol(
    name="hovernet",
    repeats="HoVer-Net (Graham et al., 2019), vqdang/hover_net compute_stats.py",
    needs_mpp=True,
    build=_build_hovernet,
    overall=_names("dice", "dice", "dice2")
    | _names("jaccard", "aji", "aji_plus")
    | _names("panoptic", "dq", "sq", "pq")
    | _names("detection", "f_d", "acc", "f_c", "f_c_all", "tp_d", "fp_d", "fn_d"),
    classes=_names("detection", "f_c", "tp_c", "fp_c", "fn_c", "fp_d", "fn_d")
    | _names("panoptic", "pq"),
)


def _build_pannuke(taxonomy: Taxonomy | None, mpp: float | None) -> dict[str, Accumulator]:
    return {
        "panoptic": PanopticAccumulator(taxonomy, epsilon="hover_net", absent="skip", mixed="cut"),
        "confusion": ConfusionAccumulator(taxonomy),
    }


_PANNUKE = Protocol(
    name="pannuke",
    repeats="PanNuke (Gamper et al., 2020), TissueImageAnalytics/PanNuke-metrics",
    needs_mpp=False,
    build=_build_pannuke,
    overall=_names(
        "panoptic", "pq", "dq", "sq", bpq="bpq_tissues", mpq="mpq_tissues", mpq_images="mpq"
    )
    | _names("panoptic", bpq_images="pq")
    | _names("confusion", "acc", "acc_balanced"),
    classes=_names("panoptic", *_PQ_COUNTS, pq="pq_images", pq_pooled="pq")
    | _names("confusion", "acc"),
)


def _build_qu(taxonomy: Taxonomy | None, mpp: float | None) -> dict[str, Accumulator]:
    return {
        "overlap": OverlapAccumulator(taxonomy, rule="one_to_one_at_least_half"),
        "strict": OverlapAccumulator(taxonomy, rule="one_to_one"),
        "literal": OverlapAccumulator(taxonomy, rule="literal"),
        "objects": ObjectAccumulator(taxonomy, by="component"),
        "confusion": ConfusionAccumulator(taxonomy),
    }


_OBJECTS = ("object_dice", "object_iou", "object_hausdorff", "object_hausdorff_finite")
_QU = Protocol(
    name="qu",
    repeats="Qu et al., ISBI 2019, huiqu18/NucleiSegClas",
    needs_mpp=False,
    build=_build_qu,
    overall=_names("overlap", "f1", "acc")
    | _names("strict", f1_one_to_one="f1")
    | _names("literal", f1_literal="f1")
    | _names("objects", *_OBJECTS),
    classes=_names("overlap", "f1", "acc") | _names("objects", *_OBJECTS),
)

PROTOCOLS: Registry[Protocol] = Registry.by_name("protocol", (_CONIC, _HOVERNET, _PANNUKE, _QU))


def find_protocol(name: str) -> Protocol:
    """Look a protocol up by name.

    Raises
    ------
    KaryoscopeError
        If there is none of that name.
    """
    return PROTOCOLS.find(name)
