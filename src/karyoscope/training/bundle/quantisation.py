"""Eight-bit integers for convolutions, where a network's time goes.

Post-training quantisation with ONNX Runtime's tools (Jacob et al., CVPR 2018: scale and zero point
for each feature map, a scale for each channel of the weights): the dense convolutions of decoder
and heads, and, where requested, the convolutions of the encoder. There the depthwise ones are
among them, though they compute little: between two others in eight bits they would each need a
conversion before and after. Convolutions whose result is added to another map are left in floating
point: OpenVINO rounds the sum differently where it does not know the size of the image beforehand,
and maps would depend on that. So are convolutions of the encoder that change the maps more than
each of the decoder's does: in small encoders a single one, such as the first depthwise one, can
change the maps more than all others together.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Collection, Iterator, Sequence
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

log = logging.getLogger(__name__)

#: Tiles on which the change by each convolution alone is measured.
_COMPARED = 6
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
        Quantise the encoder's convolutions, too, but for those that :func:`sensitive` finds, and
        those whose result is added to another map.

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
    outside = [node.name for node in nodes if _is_outside(node)]
    added = {name for node in nodes if node.op_type == "Add" for name in node.input}
    inside = [
        node.name
        for node in nodes
        if encoder and _is_inside(node) and added.isdisjoint(node.output)
    ]
    if not outside + inside:
        where = "" if encoder else " outside its encoder"
        raise KaryoscopeError(f"the network has no convolutions{where} to quantise")
    quantised = in_eight_bits(graph, outside + inside, tiles)
    if left := sensitive(graph, quantised, outside, inside, tiles[:_COMPARED]):
        log.info("left in floating point, because the maps change too much: %s", ", ".join(left))
        names = [name for name in outside + inside if name not in left]
        quantised = in_eight_bits(graph, names, tiles)
    change = max(float(np.abs(d).mean()) for d in differences(quantised, module, tiles[:4]))
    if change > TOLERANCE:
        raise KaryoscopeError(f"quantisation changes the maps by {change:.2g} on average")
    return quantised


def sensitive(
    graph: bytes,
    quantised: bytes,
    outside: Sequence[str],
    inside: Sequence[str],
    tiles: np.ndarray,
) -> list[str]:
    """Find convolutions of the encoder whose quantisation changes the maps too much.

    Each convolution is quantised alone, and the maps are compared with those of the graph in which
    none is quantised. Too much is more than any convolution of the decoder changes them. All
    convolutions before the last one found are returned as well, because their errors pass through
    it.

    Parameters
    ----------
    graph : bytes
        ONNX in fp32.
    quantised : bytes
        The same with all these convolutions quantised.
    outside, inside : sequence of str
        Names of the nodes outside and inside the encoder.
    tiles : ndarray of uint8, shape (n, h, w, 3)

    Returns
    -------
    list of str
        Names of nodes inside the encoder; empty where none changes the maps too much, or where
        one of the two parts has no convolutions.
    """
    if not inside or not outside:
        return []
    every = [*outside, *inside]
    none = _maps(_in_float(quantised, graph, every), tiles)

    def change(name: str) -> float:
        """Mean absolute change, summed over the maps."""
        alone = _in_float(quantised, graph, [other for other in every if other != name])
        pairs = zip(_maps(alone, tiles), none, strict=True)
        return sum(float(np.abs(found - expected).mean()) for found, expected in pairs)

    accepted = max(change(name) for name in outside)
    found = [number for number, name in enumerate(inside) if change(name) > accepted]
    return list(inside[: found[-1] + 1]) if found else []


def _in_float(quantised: bytes, graph: bytes, names: Collection[str]) -> bytes:
    """The quantised graph with some of its convolutions as they were before."""
    model, plain = onnx.load_from_string(quantised), onnx.load_from_string(graph)
    makers = {output: node for node in model.graph.node for output in node.output}
    weights = {tensor.name: tensor for tensor in plain.graph.initializer}
    before = {node.name: node for node in plain.graph.node}
    # Equal weights are kept once; others are its names.
    same = {n.output[0]: n.input[0] for n in plain.graph.node if n.op_type == "Identity"}
    needed: set[str] = set()
    for node in model.graph.node:
        if node.name not in names:
            continue
        dequantise = makers[node.input[0]]
        node.input[0] = makers[dequantise.input[0]].input[0]
        for number, name in enumerate(before[node.name].input[1:], 1):
            node.input[number] = same.get(name, name)
            needed.add(node.input[number])
    present = {tensor.name for tensor in model.graph.initializer}
    model.graph.initializer.extend(weights[name] for name in sorted(needed - present))
    return model.SerializeToString()


def _maps(graph: bytes, tiles: np.ndarray) -> list[np.ndarray]:
    """The maps of a graph by OpenVINO, in fp32."""
    from karyoscope.core.openvino_offline import ov

    core = ov.Core()
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    return list(core.compile_model(core.read_model(graph), "CPU", config)(tiles).values())


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


def in_eight_bits(graph: bytes, names: Sequence[str], tiles: np.ndarray) -> bytes:
    """Compute some of the convolutions of a graph in eight-bit integers.

    Parameters
    ----------
    graph : bytes
        ONNX in fp32.
    names : sequence of str
        Names of their nodes.
    tiles : ndarray of uint8, shape (n, h, w, 3)
        Typical pixels; they set the range of every feature map.

    Returns
    -------
    bytes
        ONNX.
    """
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
                nodes_to_quantize=list(names),
                calibrate_method=CalibrationMethod.MinMax,
                # What a convolution gives is read by its ReLU, and logits must stay exact.
                extra_options={"OpTypesToExcludeOutputQuantization": ["Conv"]},
            )
        finally:
            logging.disable(logging.NOTSET)
        return target.read_bytes()


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
