"""Compiled code made ready beside other work.

The loops of post-processing are compiled on the first run on a machine (some seconds of one core)
and loaded from a cache later (a third of a second). Either can happen while the network is loaded
and the first windows are run.
"""

from __future__ import annotations

import threading

import numpy as np

from karyoscope.inference import Bundle
from karyoscope.postprocessing import postprocess

_EDGE = 64


def warm_up(bundle: Bundle) -> threading.Thread:
    """Run a bundle's post-processing on a small piece of noise, in a thread of its own.

    Whoever needs post-processing meanwhile waits for the compiler, not for this thread, which
    nobody has to join.
    """
    # A daemon, so that a run that fails early does not wait for it.
    thread = threading.Thread(target=_run, args=(bundle,), name="warm-up", daemon=True)
    thread.start()
    return thread


def _run(bundle: Bundle) -> None:
    card = bundle.card
    channels = {"tp": (len(bundle.taxonomy) + 1,), "hv": (2,), "centre": (2,)}
    noise = np.random.default_rng(0)
    maps = {
        name: noise.random((_EDGE // stride, _EDGE // stride, *channels.get(name, ())), np.float32)
        for name, stride in card.maps.items()
    }
    spec = card.postprocessing
    try:
        postprocess(spec.name, maps, spec.params, bundle.taxonomy, card.mpp)
    except Exception:
        # Whatever is wrong shows again, and is reported, when the first block is processed.
        return
