"""The evaluation protocols of the field: which metrics, with which conventions.

A protocol is data: which accumulators it runs and under which names their scores are reported. What
a score is called, which way is better and what it is a mean over is declared on the metric, and on
the protocol where it differs there; tables, pages and comparisons read it from here. A further
protocol is one function and one line in ``PROTOCOLS``.
"""

from __future__ import annotations

from dataclasses import replace

from karyoscope.core.plugins import short_name
from karyoscope.core.registry import Registry
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.metrics.accumulate import Accumulator
from karyoscope.metrics.composition import CompositionAccumulator
from karyoscope.metrics.confusion import ConfusionAccumulator
from karyoscope.metrics.detection import DetectionAccumulator
from karyoscope.metrics.dice_scores import DiceAccumulator
from karyoscope.metrics.jaccard import JaccardAccumulator
from karyoscope.metrics.matching import MatchingAccumulator
from karyoscope.metrics.objects import ObjectAccumulator
from karyoscope.metrics.overlap import OverlapAccumulator
from karyoscope.metrics.panoptic import PanopticAccumulator
from karyoscope.metrics.protocol import ScoringProtocol, report_classes, report_set

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


_CONIC = ScoringProtocol(
    name="conic",
    repeats="CoNIC 2022 (Graham et al.), TissueImageAnalytics/CoNIC compute_stats.py",
    needs_mpp=False,
    build=_build_conic,
    overall=report_set(
        "panoptic",
        PanopticAccumulator,
        *("pq", "dq", "sq", "mpq_plus", "mpq_plus_present"),
        pq_plus=("pq_pooled", "PQ+"),
    )
    | report_set("composition", CompositionAccumulator, "r2", "r2_present")
    | report_set("confusion", ConfusionAccumulator, "acc", "acc_balanced")
    | report_set("dice", DiceAccumulator, "dice")
    | report_set("jaccard", JaccardAccumulator, "aji", "aji_plus"),
    classes=report_classes("panoptic", PanopticAccumulator, "pq", "dq", "sq", *_PQ_COUNTS)
    | report_classes(
        "composition",
        CompositionAccumulator,
        "r2",
        counted_true="true",
        counted_pred="pred",
    )
    | report_classes("confusion", ConfusionAccumulator, "acc"),
    set_only=frozenset({"r2", "r2_present"}),
    headlines=("pq", "dq", "sq", "mpq_plus", "r2", "dice", "aji"),
    patches=256,
)


def _build_hovernet(taxonomy: Taxonomy | None, mpp: float | None) -> dict[str, Accumulator]:
    return {
        "panoptic": PanopticAccumulator(taxonomy, epsilon="hover_net", absent="skip_empty"),
        "dice": DiceAccumulator(),
        "jaccard": JaccardAccumulator(),
        "detection": DetectionAccumulator(taxonomy, mpp=mpp or 0.0),
    }


_DETECTION_COUNTS = ("tp_c", "fp_c", "fn_c", "fp_d", "fn_d")
_HOVERNET = ScoringProtocol(
    name="hovernet",
    repeats="HoVer-Net (Graham et al., 2019), vqdang/hover_net compute_stats.py",
    needs_mpp=True,
    build=_build_hovernet,
    overall=report_set("dice", DiceAccumulator, "dice", "dice2")
    | report_set("jaccard", JaccardAccumulator, "aji", "aji_plus")
    | report_set("panoptic", PanopticAccumulator, "dq", "sq", "pq")
    | report_set("detection", DetectionAccumulator, "f_d", "acc", "f_c", "f_c_all")
    | report_set("detection", DetectionAccumulator, "tp_d", "fp_d", "fn_d"),
    classes=report_classes("detection", DetectionAccumulator, "f_c", *_DETECTION_COUNTS)
    | report_classes("panoptic", PanopticAccumulator, "pq"),
    headlines=("dice", "aji", "dq", "sq", "pq", "f_d", "f_c"),
)


def _build_pannuke(taxonomy: Taxonomy | None, mpp: float | None) -> dict[str, Accumulator]:
    return {
        "panoptic": PanopticAccumulator(taxonomy, epsilon="hover_net", absent="skip", mixed="cut"),
        "confusion": ConfusionAccumulator(taxonomy),
    }


_PANNUKE = ScoringProtocol(
    name="pannuke",
    repeats="PanNuke (Gamper et al., 2020), TissueImageAnalytics/PanNuke-metrics",
    needs_mpp=False,
    build=_build_pannuke,
    overall=report_set(
        "panoptic",
        PanopticAccumulator,
        *("pq", "dq", "sq"),
        bpq="bpq_tissues",
        bpq_images=("pq", "bPQ, image mean"),
        mpq="mpq_tissues",
        mpq_images="mpq",
    )
    | report_set("confusion", ConfusionAccumulator, "acc", "acc_balanced"),
    classes=report_classes(
        "panoptic",
        PanopticAccumulator,
        *_PQ_COUNTS,
        pq="pq_images",
        pq_pooled=("pq", "PQ, pooled"),
    )
    | report_classes("confusion", ConfusionAccumulator, "acc"),
    headlines=("pq", "dq", "sq", "bpq", "mpq"),
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
_QU = ScoringProtocol(
    name="qu",
    repeats="Qu et al., ISBI 2019, huiqu18/NucleiSegClas",
    needs_mpp=False,
    build=_build_qu,
    overall=report_set("overlap", OverlapAccumulator, "f1", "acc")
    | report_set("strict", OverlapAccumulator, f1_one_to_one=("f1", "F1, one to one"))
    | report_set("literal", OverlapAccumulator, f1_literal=("f1", "F1, literal"))
    | report_set("objects", ObjectAccumulator, *_OBJECTS),
    classes=report_classes("overlap", OverlapAccumulator, "f1", "acc")
    | report_classes("objects", ObjectAccumulator, *_OBJECTS),
    headlines=("f1", "object_dice"),
)


def _build_stardist(taxonomy: Taxonomy | None, mpp: float | None) -> dict[str, Accumulator]:
    return {"matching": MatchingAccumulator(), "confusion": ConfusionAccumulator(taxonomy)}


_STARDIST = ScoringProtocol(
    name="stardist",
    repeats="StarDist matching_dataset (Schmidt et al., 2018), Cellpose average_precision",
    needs_mpp=False,
    build=_build_stardist,
    overall=report_set(
        "matching", MatchingAccumulator, *(s.name for s in MatchingAccumulator.set_scores)
    )
    | report_set("confusion", ConfusionAccumulator, "acc", "acc_balanced"),
    classes=report_classes("confusion", ConfusionAccumulator, "acc"),
    headlines=("ap", "ap_50", "ap_75", "f1_50"),
)

PROTOCOLS: Registry[ScoringProtocol] = Registry.by_name(
    "protocol",
    (_CONIC, _HOVERNET, _PANNUKE, _QU, _STARDIST),
    group="karyoscope.protocols",
    kind=ScoringProtocol,
)


def find_protocol(name: str) -> ScoringProtocol:
    """Look a protocol up by name.

    Returns
    -------
    ScoringProtocol
        Under the name by which results are found again: that of a plugin is ``my_file.py:NAME``.

    Raises
    ------
    KaryoscopeError
        If there is none of that name.
    """
    found = PROTOCOLS.find(name)
    return found if name in PROTOCOLS else replace(found, name=short_name(name))
