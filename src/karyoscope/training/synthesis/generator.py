"""A trained generator on disk: weights as safetensors, and a card with its description."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import write_folder
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.core.yaml import dump_yaml, read_yaml
from karyoscope.networks.mask2image import Mask2Image, draw_noise
from karyoscope.training.synthesis.layouts import make_layout

FORMAT = "karyoscope generator 1"
#: Folder of the generator in a training run.
GENERATOR = "generator"
_CARD = "generator.yaml"
_WEIGHTS = "generator.safetensors"


@dataclass(frozen=True)
class Generator:
    """A mask-to-image network that generates images from layouts.

    Attributes
    ----------
    network : Mask2Image
    card : dict
        Content of ``generator.yaml``: name, licence, mpp, tile, training.
    taxonomy : Taxonomy
        Classes of its layouts.
    """

    network: Mask2Image
    card: dict[str, Any]
    taxonomy: Taxonomy

    @torch.no_grad()
    def paint(
        self, inst_map: np.ndarray, class_map: np.ndarray, style: Tensor, rng: torch.Generator
    ) -> np.ndarray:
        """Generate one image.

        Parameters
        ----------
        inst_map, class_map : ndarray of int, shape (h, w)
            Ids and classes of the nuclei; edges are multiples of ``network.multiple_of``.
        style : Tensor, shape (6,)
            Mean and standard deviation of each channel, from -1 to 1.
        rng : torch.Generator
            Decides what the layout leaves open.

        Returns
        -------
        ndarray of uint8, shape (h, w, 3)
        """
        ids, classes = (torch.from_numpy(a.astype(np.int64))[None] for a in (inst_map, class_map))
        layout = make_layout(ids, classes, len(self.taxonomy))
        noise = draw_noise((1, *inst_map.shape), rng)
        image = self.network(layout, style[None], noise)[0]
        grey = ((image + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return grey.permute(1, 2, 0).contiguous().numpy()


def save_generator(
    network: Mask2Image,
    options: dict[str, int],
    taxonomy: Taxonomy,
    card: dict[str, Any],
    out: Path,
) -> Path:
    """Write a generator; the folder is replaced as a whole.

    Parameters
    ----------
    options : dict
        Arguments that the network was built with.
    card : dict
        Further content of ``generator.yaml``: name, licence, mpp, tile, training.
    """
    weights = save({k: v.cpu().contiguous() for k, v in network.state_dict().items()})
    content = {
        "format": FORMAT,
        **card,
        "taxonomy": taxonomy.to_dict(),
        "network": options,
        "files": {_WEIGHTS: hashlib.sha256(weights).hexdigest()},
    }
    text = dump_yaml(content)
    return write_folder(out, {_WEIGHTS: weights, _CARD: text.encode()})


def load_generator(path: Path) -> Generator:
    """Read a generator from its folder, or from the training run that holds it.

    Raises
    ------
    KaryoscopeError
        If there is none, or a file is damaged or not the one that the card names.
    """
    folder = path / GENERATOR if (path / GENERATOR / _CARD).is_file() else path
    if not (folder / _CARD).is_file():
        raise KaryoscopeError(
            f"{path} holds no generator; `karyoscope synthesize train` writes one at its first"
            " checkpoint"
        )
    try:
        card = read_yaml(folder / _CARD)
        weights = (folder / _WEIGHTS).read_bytes()
        if card["format"] != FORMAT:
            raise KaryoscopeError(f"{folder / _CARD}: format {card['format']!r}, not {FORMAT!r}")
        if hashlib.sha256(weights).hexdigest() != card["files"][_WEIGHTS]:
            raise KaryoscopeError(f"{folder / _WEIGHTS} is not the file that {_CARD} names")
        taxonomy = Taxonomy.from_dict(card["taxonomy"])
        network = Mask2Image(len(taxonomy), **card["network"])
        network.load_state_dict(load(weights))
    except (OSError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise KaryoscopeError(f"{folder} is not a readable generator: {reason}") from error
    return Generator(network.eval(), card, taxonomy)
