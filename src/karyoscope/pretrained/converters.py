"""Weights of other programs, renamed to timm's parameters: bytes -> arrays by name."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.optional import load
from karyoscope.pretrained.pickles import read_pickle, read_state
from karyoscope.pretrained.sources import IMAGENET_STD

Arrays = dict[str, np.ndarray]

_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_LINEAR = ("weight", "bias")
#: Keras adds this to variances, timm the other.
_KERAS_EPSILON, _KERAS_DENSENET_EPSILON, _EPSILON = 1e-3, 1.001e-5, 1e-5


class Renamer:
    """Renames parameters to another scheme, and keeps track of the remaining ones."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._left = {name: np.asarray(value) for name, value in given.items()}
        self._made: Arrays = {}

    def move(self, old: str, new: str, parts: tuple[str, ...] = ("weight",)) -> None:
        """Give a layer another name."""
        for part in parts:
            self._made[f"{new}.{part}"] = self._left.pop(f"{old}.{part}")

    def pairs(self, old: str, new: str, *layers: tuple[str, str, str, str]) -> None:
        """Move convolutions and the normalisations after them: old and new name of each."""
        for convolution, as_convolution, norm, as_norm in layers:
            self.move(old + convolution, new + as_convolution)
            self.move(old + norm, new + as_norm, _NORM)

    def done(self) -> Arrays:
        """Everything that was moved.

        Raises
        ------
        KaryoscopeError
            If a tensor has found no place.
        """
        if self._left:
            raise KaryoscopeError(f"weights of another network: what is {min(self._left)}?")
        return self._made


def efficientnet_lite(data: bytes, depth: float) -> Arrays:
    """EfficientNet-Lite of the package ``efficientnet-lite-pytorch``."""
    counts = [
        n if i in (0, 6) else math.ceil(n * depth) for i, n in enumerate((1, 2, 2, 3, 3, 4, 1))
    ]
    names = Renamer(read_state(data))
    names.pairs("", "", ("_conv_stem", "conv_stem", "_bn0", "bn1"))
    number = 0
    for stage, count in enumerate(counts):
        for block in range(count):
            old, new = f"_blocks.{number}.", f"blocks.{stage}.{block}."
            if stage == 0:
                layers = [("_depthwise_conv", "conv_dw", "_bn1", "bn1"),
                          ("_project_conv", "conv_pw", "_bn2", "bn2")]  # fmt: skip
            else:
                layers = [("_expand_conv", "conv_pw", "_bn0", "bn1"),
                          ("_depthwise_conv", "conv_dw", "_bn1", "bn2"),
                          ("_project_conv", "conv_pwl", "_bn2", "bn3")]  # fmt: skip
            names.pairs(old, new, *layers)
            number += 1
    names.pairs("", "", ("_conv_head", "conv_head", "_bn1", "bn2"))
    names.move("_fc", "classifier", _LINEAR)
    return names.done()


def mobilenetv2(data: bytes) -> Arrays:
    """MobileNetV2 of torchvision."""
    names = Renamer(read_state(data))
    names.pairs("features.", "", ("0.0", "conv_stem", "0.1", "bn1"))
    number = 1
    for stage, count in enumerate((1, 2, 3, 4, 3, 3, 1)):
        for block in range(count):
            old, new = f"features.{number}.conv.", f"blocks.{stage}.{block}."
            if stage == 0:
                layers = [("0.0", "conv_dw", "0.1", "bn1"), ("1", "conv_pw", "2", "bn2")]
            else:
                layers = [("0.0", "conv_pw", "0.1", "bn1"), ("1.0", "conv_dw", "1.1", "bn2"),
                          ("2", "conv_pwl", "3", "bn3")]  # fmt: skip
            names.pairs(old, new, *layers)
            number += 1
    names.pairs("features.", "", ("18.0", "conv_head", "18.1", "bn2"))
    names.move("classifier.1", "classifier", _LINEAR)
    return names.done()


def dinov2(data: bytes) -> Arrays:
    """DINOv2 with registers of its authors: the class position is added to the class token."""
    state = {name: np.asarray(value) for name, value in read_state(data).items()}
    positions = state.pop("pos_embed")
    state["cls_token"] = state["cls_token"] + positions[:, :1]
    state["pos_embed"] = positions[:, 1:]
    state["reg_token"] = state.pop("register_tokens")
    del state["mask_token"]  # of training alone
    return state


def pickled_resnet(data: bytes) -> Arrays:
    """A whole ResNet of torchvision that was pickled, without its last layer."""
    tensors = read_pickle(data).tensors()
    return {n: t.detach().numpy() for n, t in tensors if not n.startswith("fc.")}


def flax_vgg16(data: bytes) -> Arrays:
    """The convolutions of VGG16 from a pickle of Flax."""
    layers = read_pickle(data)["VGG16_0"]
    made: Arrays = {}
    for number, place in enumerate((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)):
        layer = layers[f"Conv_{number}"]
        made[f"features.{place}.weight"] = np.asarray(layer["kernel"]).transpose(3, 2, 0, 1)
        made[f"features.{place}.bias"] = np.asarray(layer["bias"])
    return made


def keras_resnet50(data: bytes) -> Arrays:
    """ResNet50 of Keras in TensorFlow.js's form.

    Its input is blue, green, red from 0 to 255 less the mean; timm's is red, green, blue from 0
    to 1, divided by the standard deviation. The first kernel takes that up, the variances the other
    epsilon, and the means the biases that timm's convolutions lack.
    """
    size = int.from_bytes(data[:8], "little")
    entries = json.loads(data[8 : 8 + size])["weightsManifest"][0]["weights"]
    found, position = {}, 8 + size
    for entry in entries:
        count = math.prod(entry["shape"])
        found[entry["name"]] = np.frombuffer(data, "<f4", count, position).reshape(entry["shape"])
        position += 4 * count
    made: Arrays = {}

    def take(convolution: str, norm: str, old: str, old_norm: str) -> None:
        kernel = found[f"{old}/kernel"].transpose(3, 2, 0, 1)
        if convolution == "conv1":
            scale = (255 * np.array(IMAGENET_STD)).reshape(1, 3, 1, 1)
            kernel = (kernel[:, ::-1] * scale).astype(np.float32)
        variance = found[f"{old_norm}/moving_variance"]
        made[f"{convolution}.weight"] = kernel
        made[f"{norm}.weight"] = found[f"{old_norm}/gamma"]
        made[f"{norm}.bias"] = found[f"{old_norm}/beta"]
        made[f"{norm}.running_mean"] = found[f"{old_norm}/moving_mean"] - found[f"{old}/bias"]
        made[f"{norm}.running_var"] = variance + np.float32(_KERAS_EPSILON - _EPSILON)
        made[f"{norm}.num_batches_tracked"] = np.zeros((), np.int64)

    take("conv1", "bn1", "conv1", "bn_conv1")
    for stage, blocks in enumerate((3, 4, 6, 3), 1):
        for block in range(blocks):
            new, old = f"layer{stage}.{block}", f"{stage + 1}{'abcdef'[block]}_branch"
            for number in (1, 2, 3):
                branch = f"{old}2{'abc'[number - 1]}"
                take(f"{new}.conv{number}", f"{new}.bn{number}", f"res{branch}", f"bn{branch}")
            if block == 0:
                short = f"{new}.downsample"
                take(f"{short}.0", f"{short}.1", f"res{old}1", f"bn{old}1")
    head = next(name for name in found if name.startswith("fc") and name.endswith("/kernel"))
    made["fc.weight"] = found[head].T
    made["fc.bias"] = found[head.replace("/kernel", "/bias")]
    return made


def keras_densenet121(data: bytes) -> Arrays:
    """DenseNet121 of Keras, from a saved classifier whose own last layer is left out.

    Layers are numbered by their kind, in the order in which they are applied. The epsilon differs
    from timm's, and the variances take that up.
    """
    h5py: Any = load("train", "h5py", "weights in Keras's form")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        saved = io.BytesIO(archive.read("model.weights.h5"))
    made: Arrays = {}
    used = Counter[str]()
    with h5py.File(saved) as file:
        layers = file["layers/functional/layers"]

        def variables(kind: str) -> list[np.ndarray]:
            name = f"{kind}_{used[kind]}" if used[kind] else kind
            used[kind] += 1
            values = layers[name]["vars"]
            return [np.asarray(values[str(number)]) for number in range(len(values))]

        def take_convolution(name: str) -> None:
            (kernel,) = variables("conv2d")
            made[f"{name}.weight"] = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))

        def take_norm(name: str) -> None:
            values = variables("batch_normalization")
            for part, value in zip(_NORM, values, strict=False):
                made[f"{name}.{part}"] = value
            made[f"{name}.running_var"] += np.float32(_KERAS_DENSENET_EPSILON - _EPSILON)
            made[f"{name}.num_batches_tracked"] = np.zeros((), np.int64)

        take_convolution("features.conv0")
        take_norm("features.norm0")
        for block, count in enumerate((6, 12, 24, 16), 1):
            for layer in range(1, count + 1):
                name = f"features.denseblock{block}.denselayer{layer}"
                for number in (1, 2):
                    take_norm(f"{name}.norm{number}")
                    take_convolution(f"{name}.conv{number}")
            if block < 4:
                take_norm(f"features.transition{block}.norm")
                take_convolution(f"features.transition{block}.conv")
        take_norm("features.norm5")
    return made


CONVERTERS: dict[str, Callable[[bytes], Arrays]] = {
    "efficientnet_lite0": partial(efficientnet_lite, depth=1.0),
    "efficientnet_lite1": partial(efficientnet_lite, depth=1.1),
    "efficientnet_lite2": partial(efficientnet_lite, depth=1.2),
    "mobilenetv2": mobilenetv2,
    "dinov2": dinov2,
    "pickled_resnet": pickled_resnet,
    "flax_vgg16": flax_vgg16,
    "keras_resnet50": keras_resnet50,
    "keras_densenet121": keras_densenet121,
}
