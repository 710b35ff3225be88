"""Models without training: thresholds of colour, as a bundle of a few kilobytes and in NumPy.

What is dark in the red channel is nucleus; what is blue rather than brown is ``blue``. Each value
depends on the pixels within 3 of it, so results do not depend on windows.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from karyoscope.core.nuclei import Nuclei
from karyoscope.inference import Engine, Maps

CARD: dict[str, Any] = {
    "format": 1,
    "name": "tiny",
    "version": "1",
    "description": "Thresholds of colour.",
    "licence": "CC0",
    "taxonomy": {
        "name": "two",
        "classes": [
            {"id": 1, "name": "blue", "color": [0, 0, 255]},
            {"id": 2, "name": "brown", "color": [150, 75, 0]},
        ],
    },
    "mpp": 0.5,
    "input": {"mean": [0, 0, 0], "std": [1, 1, 1], "multiple_of": 32, "context": 32},
    "maps": {"inside": 1, "boundary": 1, "tp": 2},
    "network": {"name": "thresholds"},
    "postprocessing": {"name": "three_label", "params": {"min_area_um2": 6.0}},
}


def write_card(folder: Path, **changes: Any) -> Path:
    """Write the bundle without its network, with some keys of its card changed."""
    folder.mkdir(parents=True)
    (folder / "model.yaml").write_text(yaml.safe_dump(CARD | changes, sort_keys=False))
    return folder


def write_bundle(folder: Path, **changes: Any) -> Path:
    """Write the bundle with some keys of its card changed."""
    graph = _graph()
    files = {"model.onnx": hashlib.sha256(graph).hexdigest()}
    write_card(folder, **({"files": files} | changes))
    (folder / "model.onnx").write_bytes(graph)
    return folder


class ThresholdEngine(Engine):
    """Darker than the surroundings, in whole numbers: equal to the last bit in any window."""

    device = "NumPy"

    def run(self, images: np.ndarray) -> Maps:
        """Maps of a batch of one; each value depends on the pixels within 15 of it."""
        red, blue = (np.ascontiguousarray(images[0, ..., k]) for k in (0, 2))
        smooth = cv2.medianBlur(red, 5).astype(int)
        darker = cv2.medianBlur(red, 31) - smooth
        nucleus, core = darker > 30, darker > 40
        bluish = np.where(cv2.medianBlur(blue, 5) > smooth, np.float32(0.75), np.float32(0.25))
        classes = np.stack([~nucleus, nucleus * bluish, nucleus * (1 - bluish)], -1)
        return {
            "inside": core.astype(np.float32)[None],
            "boundary": (nucleus & ~core).astype(np.float32)[None],
            "tp": classes[::2, ::2].astype(np.float32)[None],
        }


class RememberingEngine(Engine):
    """Another engine that runs each window once, however often it is asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._known = engine, {}
        self.device = engine.device

    def run(self, images: np.ndarray) -> Maps:
        """Maps of a batch."""
        key = images.shape, images.tobytes()
        if key not in self._known:
            self._known[key] = self._engine.run(images)
        return self._known[key]


def sorted_rows(nuclei: Nuclei) -> Nuclei:
    """Nuclei in an order, and with ids, that do not depend on how they were found."""
    return nuclei.take(np.lexsort((nuclei.x, nuclei.y))).renumber()


def assert_same_nuclei(a: Nuclei, b: Nuclei) -> None:
    """Every column and every outline, to the last bit."""
    a, b = sorted_rows(a), sorted_rows(b)
    for name in ("x", "y", "class_id", "area_um2", "probabilities", "offsets", "vertices"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def _graph() -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, values: Any) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(values, np.float32), name)

    # Blurred red and blue minus red, the two that the thresholds look at.
    ramp = np.array([1, 2, 3, 4, 3, 2, 1]) / 16
    blur = np.outer(ramp, ramp)
    kernel = np.zeros((2, 3, 7, 7))
    kernel[0, 0] = kernel[1, 2] = blur
    kernel[1, 0] = -blur
    # Steep straight lines of those two: foreground, interior, blue.
    lines = np.zeros((3, 2, 1, 1))
    lines[:2, 0, 0, 0], lines[2, 1, 0, 0] = -20 / 255, 20 / 255
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Pad", ["planes", "margin"], ["wide"], mode="edge"),
        helper.make_node("Conv", ["wide", "kernel"], ["blurred"]),
        helper.make_node("Conv", ["blurred", "lines", "offsets"], ["heights"]),
        helper.make_node("Sigmoid", ["heights"], ["shares"]),
        helper.make_node("Split", ["shares"], ["any", "core", "blue"], axis=1, num_outputs=3),
        helper.make_node("Sub", ["any", "core"], ["rim"]),
        helper.make_node("Squeeze", ["core", "one"], ["inside"]),
        helper.make_node("Squeeze", ["rim", "one"], ["boundary"]),
        helper.make_node("Sub", ["unit", "any"], ["nothing"]),
        helper.make_node("Mul", ["any", "blue"], ["p_blue"]),
        helper.make_node("Sub", ["any", "p_blue"], ["p_brown"]),
        helper.make_node("Concat", ["nothing", "p_blue", "p_brown"], ["classes"], axis=1),
        helper.make_node("AveragePool", ["classes"], ["half"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Transpose", ["half"], ["tp"], perm=[0, 2, 3, 1]),
    ]
    shape = ["n", "h", "w"]
    graph = helper.make_graph(
        nodes,
        "thresholds",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [*shape, 3])],
        [
            helper.make_tensor_value_info("inside", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("boundary", TensorProto.FLOAT, shape),
            helper.make_tensor_value_info("tp", TensorProto.FLOAT, ["n", "h2", "w2", 3]),
        ],
        [
            constant("kernel", kernel),
            constant("lines", lines),
            constant("offsets", [20 * 0.66, 20 * 0.58, -20 * 0.02]),
            constant("unit", 1.0),
            numpy_helper.from_array(np.array([1]), "one"),
            numpy_helper.from_array(np.array([0, 0, 3, 3, 0, 0, 3, 3]), "margin"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()
