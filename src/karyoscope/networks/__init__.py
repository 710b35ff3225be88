"""Networks. Each is one class in a file of its own, registered in :data:`NETWORKS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from torch import nn

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.registry import Registry
from karyoscope.networks.colour_stack import WithSixColours
from karyoscope.networks.dcan import DCAN
from karyoscope.networks.fcn8s import FCN8s
from karyoscope.networks.hovernet import HoVerNet
from karyoscope.networks.micronet import MicroNet
from karyoscope.networks.plain_unet import DIST, PlainUNet
from karyoscope.networks.resunet34 import ResUNet34
from karyoscope.networks.segnet import SegNet
from karyoscope.networks.two_decoder_unet import TwoDecoderUNet
from karyoscope.networks.unet import SharedUNet

NETWORKS: Registry[Callable[..., nn.Module]] = Registry(
    "network",
    {
        "shared_unet": SharedUNet,
        "hovernet": HoVerNet,
        "two_decoder_unet": TwoDecoderUNet,
        "resunet34": ResUNet34,
        "unet": PlainUNet,
        "fcn8s": FCN8s,
        "dist": DIST,
        "micronet": MicroNet,
        "segnet": SegNet,
        "dcan": DCAN,
    },
    group="karyoscope.networks",
)


def build_network(
    name: str, n_classes: int, colours: Literal["rgb", "six"] = "rgb", **options: Any
) -> Any:
    """Build a registered network.

    Parameters
    ----------
    name : str
        One of :data:`NETWORKS`.
    n_classes : int
        Classes of nuclei, without background.
    colours : {"rgb", "six"}
        Channels of the input; see :class:`~karyoscope.networks.colour_stack.WithSixColours`.
    **options
        Options of the network's constructor.

    Returns
    -------
    nn.Module
        A :class:`~karyoscope.networks.base.Network`.

    Raises
    ------
    KaryoscopeError
        If there is no such network, or it does not take an option.
    """
    if colours == "six":
        return WithSixColours(build_network(name, n_classes, in_channels=6, **options))
    if colours != "rgb":
        raise KaryoscopeError(f"no colours {colours!r}; there are rgb, six")
    return NETWORKS.build(name, n_classes=n_classes, **options)
