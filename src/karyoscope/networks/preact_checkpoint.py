"""The Preact-ResNet50 of the HoVer-Net authors, under the names of this package."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import writing
from karyoscope.networks.preact_resnet import PreactResNet50
from karyoscope.pretrained.pickles import read_state

#: Layers of a unit: here, and in the authors' code.
_UNIT = {
    "normalise.0": "preact_bn",
    "reduce": "conv1",
    "normalise_reduced.0": "conv1_bn",
    "filter": "conv2",
    "normalise_filtered.0": "conv2_bn",
    "expand": "conv3",
}


def their_name(own: str) -> str:
    """Name in the authors' code of a tensor of :class:`~.preact_resnet.PreactResNet50`.

    Examples
    --------
    >>> their_name("stem.0.weight"), their_name("blocks.1.0.shortcut.weight")
    ('conv0.conv.weight', 'd1.shortcut.weight')
    >>> their_name("blocks.2.5.normalise_reduced.0.bias"), their_name("blocks.0.3.0.weight")
    ('d2.units.5.conv1_bn.bias', 'd0.blk_bna.bn.weight')
    """
    layer, _, part = own.rpartition(".")
    if layer == "stem.0":
        return f"conv0.conv.{part}"
    if layer == "stem.1.0":
        return f"conv0.bn.{part}"
    _, block, unit, rest = layer.split(".", 3)
    if int(unit) == PreactResNet50.units[int(block)]:
        return f"d{block}.blk_bna.bn.{part}"
    if rest == "shortcut":
        return f"d{block}.shortcut.{part}"
    return f"d{block}.units.{unit}.{_UNIT[rest]}.{part}"


def convert_preact(checkpoint: Path, out: Path) -> Path:
    """Write the encoder of a checkpoint of the authors as ``network.pretrained`` takes it.

    Parameters
    ----------
    checkpoint : path
        Weights of the encoder alone, or of a whole HoVer-Net. Both spellings of the authors'
        layers, ``conv1/bn`` and ``conv1_bn``, are accepted.
    out : path
        A ``.safetensors`` file.

    Raises
    ------
    KaryoscopeError
        If the file cannot be read, or lacks a layer of Preact-ResNet50 of that shape.
    """
    if not checkpoint.is_file():
        raise KaryoscopeError(f"checkpoint {checkpoint} does not exist")
    given = {_spelt(name): value for name, value in read_state(checkpoint.read_bytes()).items()}
    made: dict[str, Tensor] = {}
    for name, own in PreactResNet50().state_dict().items():
        theirs = given.get(their_name(name))
        if theirs is None and name.endswith("num_batches_tracked"):
            theirs = own
        if theirs is None or theirs.shape != own.shape:
            raise KaryoscopeError(f"{checkpoint} is no Preact-ResNet50: no {their_name(name)} fits")
        made[name] = theirs.clone().contiguous()
    with writing(out) as partial:
        save_file(made, partial)
    return out


def _spelt(name: str) -> str:
    name = name.removeprefix("module.").replace("conv0./.", "conv0.conv.")
    return name.replace("/bn", "_bn")
