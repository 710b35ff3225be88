"""Eight-bit integers for convolutions, where a network's time goes.

Post-training quantisation with ONNX Runtime's tools (Jacob et al., CVPR 2018: scale and zero point
for each feature map, a scale for each channel of the weights): the dense convolutions of decoder
and heads, and, where requested, every convolution of the encoder. There the depthwise ones are
among them, though they compute little: between two others in eight bits they would each need a
conversion before and after.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from karyoscope.core.errors import KaryoscopeError
from karyoscope.networks.deployed import Deployed
from karyoscope.training.bundle.graph import differences
from karyoscope.training.data.images import RecipeImages, split_records
from karyoscope.training.recipe.reading import Recipe

#: Mean absolute difference of a map, over the tiles, that is still taken for the same network.
TOLERANCE = 0.02


def quantise(graph: bytes, module: Deployed, tiles: np.ndarray, encoder: bool = False) -> bytes:
    """Quantise the dense convolutions outside the encoder, and the encoder's.

    Parameters
    ----------
    graph : bytes
        ONNX in fp32.
    module : Deployed
        The network that the graph was made of.
    tiles : ndarray of uint8, shape (n, h, w, 3)
        Typical pixels; they set the range of every feature map.
    encoder : bool
        Quantise the encoder's convolutions, too.

    Returns
    -------
    bytes
        ONNX with pairs of QuantizeLinear and DequantizeLinear, which engines fuse.

    Raises
    ------
    KaryoscopeError
        If there is nothing to quantise, or the maps of the tiles change by 0.02 on average.
    """
    nodes = onnx.load_from_string(graph).graph.node
    names = [node.name for node in nodes if _is_outside(node) or (encoder and _is_inside(node))]
    if not names:
        where = "" if encoder else " outside its encoder"
        raise KaryoscopeError(f"the network has no convolutions{where} to quantise")
    with tempfile.TemporaryDirectory(prefix="karyoscope-") as folder:
        source, target = Path(folder, "fp32.onnx"), Path(folder, "int8.onnx")
        source.write_bytes(graph)
        # It advises a preparation that the exporter has done.
        logging.disable(logging.WARNING)
        try:
            quantize_static(
                source,
                target,
                _Tiles(tiles),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                # Unsigned, with a zero point: OpenVINO is not exact on signed joined features.
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=["Conv"],
                nodes_to_quantize=names,
                calibrate_method=CalibrationMethod.MinMax,
                # What a convolution gives is read by its ReLU, and logits must stay exact.
                extra_options={"OpTypesToExcludeOutputQuantization": ["Conv"]},
            )
        finally:
            logging.disable(logging.NOTSET)
        quantised = target.read_bytes()
    change = max(float(np.abs(d).mean()) for d in differences(quantised, module, tiles[:4]))
    if change > TOLERANCE:
        raise KaryoscopeError(f"quantisation changes the maps by {change:.2g} on average")
    return quantised


def calibration_tiles(recipe: Recipe, count: int = 80, edge: int = 256) -> np.ndarray:
    """Tiles of the recipe's training images, the same in every call.

    Returns
    -------
    ndarray of uint8, shape (count, edge, edge, 3)

    Raises
    ------
    KaryoscopeError
        If no training image is as large as a tile.
    """
    random = np.random.default_rng(recipe.training.seed)
    images = RecipeImages(recipe)
    train, _ = split_records(recipe)
    tiles: list[np.ndarray] = []
    for row in random.permutation(len(train)):
        dataset, record, _ = train[row]
        image = images.load(dataset, record).image
        height, width = image.shape[:2]
        if min(height, width) < edge:
            continue
        for _ in range(2):
            y, x = random.integers(height - edge + 1), random.integers(width - edge + 1)
            tiles.append(image[y : y + edge, x : x + edge])
        if len(tiles) >= count:
            break
    if not tiles:
        raise KaryoscopeError(f"no training image has {edge} x {edge} pixels to calibrate on")
    return np.stack(tiles[:count])


class _Tiles(CalibrationDataReader):
    """One tile at a time, as ONNX Runtime asks for them."""

    def __init__(self, tiles: np.ndarray) -> None:
        self._left: Iterator[np.ndarray] = iter(tiles)

    def get_next(self) -> dict[str, np.ndarray] | None:
        tile = next(self._left, None)
        return None if tile is None else {"image": tile[None]}


def _is_outside(node: onnx.NodeProto) -> bool:
    """Whether a node is a dense convolution of decoder or heads."""
    groups = next((a.i for a in node.attribute if a.name == "group"), 1)
    return node.op_type == "Conv" and groups == 1 and "/encoder/" not in node.name


def _is_inside(node: onnx.NodeProto) -> bool:
    """Whether a node is a convolution of the encoder, dense or depthwise."""
    return node.op_type == "Conv" and "/encoder/" in node.name
