"""Targets of random nuclei, and outputs from useless to perfect, for the tests of losses."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")
F = torch.nn.functional

from karyoscope.targets import TARGETS, make_targets  # noqa: E402

CLASSES = 3

#: What a loss cannot be built without.
REQUIRED: dict[str, dict[str, Any]] = {
    "types_cost_sensitive": {"counts": [100, 20, 5]},
    "perceptual": {"pretrained": False},
}
#: What is built once for all tests, since that takes seconds (VGG16).
SLOW_TO_BUILD = {"perceptual"}


def labels(size: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and classes of two tiles: six nuclei, two of which touch, and one without a class.

    In the third tile nuclei are points: one of class 2, one of class 3, one of any.
    """
    ids = torch.zeros(3, size, size, dtype=torch.int32)
    for k, (y, x) in enumerate([(2, 2), (2, 10), (14, 4), (18, 18), (4, 22)], 1):
        ids[0, y : y + 8, x : x + 8] = k
    ids[1, 6:16, 6:16] = 1
    ids[1, 20:30, 14:28] = 2
    classes = (ids % CLASSES + 1).masked_fill(ids == 0, 0).to(torch.uint8)
    classes[0][ids[0] == 5] = 0
    ids[2] = -1
    ids[2, 20:], ids[2, :10, 12:14] = -2, -3
    for k, (x, y) in enumerate([(4, 4), (20, 4), (20, 14)]):
        ids[2, y : y + 4, x : x + 4] = -4 - k
        classes[2, y : y + 4, x : x + 4] = (2, 3, 0)[k]
    return ids, classes


def batch_targets(ids: torch.Tensor, classes: torch.Tensor) -> dict[str, torch.Tensor]:
    """All targets of a batch whose second half shows the tiles of the first half again."""
    targets = make_targets(TARGETS, ids.repeat(2, 1, 1), classes.repeat(2, 1, 1))
    pixels = torch.arange(ids[0].numel()).view(1, *ids.shape[1:]).expand(ids.shape)
    targets["same_tissue"] = pixels.masked_fill(ids < 0, -1)
    for name, n in (("three_label", 3), ("types", CLASSES + 1)):
        label = targets[name]
        soft = F.one_hot(label.masked_fill(label == 255, 0), n).movedim(-1, 1).float()
        targets[f"soft_{name}"] = soft * (label != 255)[:, None]
    return targets


def perfect_outputs(targets: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What a network without errors would say; no surer than smoothed labels ask it to be."""

    def logits(label: torch.Tensor, n: int) -> torch.Tensor:
        return 3.0 * F.one_hot(label.masked_fill(label == 255, 0), n).movedim(-1, 1).float()

    points, sets = targets["points"], targets["point_sets"]
    at_point = (points == 1) | (points == 2)
    three_label = torch.where(at_point, points, targets["three_label"])
    nuclear = torch.where(points == 1, 1, targets["np"])
    types = targets["types"]
    for label in range(CLASSES, 0, -1):
        types = torch.where((sets >> label) & 1 == 1, label, types)
    inner = torch.where(targets["contour"] == 1, CLASSES + 1, targets["types"])
    return {
        "three_label": logits(three_label, 3),
        "centre": targets["centre"].clone(),
        "types": logits(types, CLASSES + 1),
        "np": logits(nuclear, 2),
        "hv": targets["hv"].clone(),
        "inner_contour": logits(inner, CLASSES + 2),
        "distance": targets["distance"][:, None].clone(),
    }


def outputs_at(targets: dict[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
    """Outputs a share of the way from noise (0) to perfect (1)."""
    rng = torch.Generator().manual_seed(0)
    return {
        name: torch.lerp(torch.randn(values.shape, generator=rng), values, share)
        for name, values in perfect_outputs(targets).items()
    }
