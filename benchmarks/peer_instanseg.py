"""Label images of InstanSeg for annotated images, to be scored beside a model of ours.

    python benchmarks/peer_instanseg.py instanseg.pt DATA OUT --split split.json
    karyoscope evaluate OUT --truth DATA --split split.json

InstanSeg ``brightfield_nuclei`` 0.1.1 as TorchScript (Goldsborough et al. 2024) outlines nuclei at
0.5 µm/px and does not classify them. Images of another scale are brought to that one, and the
labels back, by nearest neighbour. It was trained on CoNSeP among others, so images of Lizard
that come from CoNSeP are not held out for it: ``--leave-out consep`` skips that cohort.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import tifffile
import torch

from karyoscope.datasets import open_dataset
from karyoscope.datasets.split import read_split

MPP = 0.5


def labels_of(model: torch.jit.ScriptModule, rgb: np.ndarray) -> np.ndarray:
    """Instance labels (h, w) int32 of an RGB image at 0.5 µm/px."""
    x = rgb.astype(np.float32)
    low, high = np.percentile(x, (0.1, 99.9), axis=(0, 1))
    x = ((x - low) / (high - low + 1e-6)).astype(np.float32)
    with torch.no_grad():
        labels = model(torch.from_numpy(x.transpose(2, 0, 1)[None].copy()))
    return labels[0, 0].numpy().astype(np.int32)


def labels_at(model: torch.jit.ScriptModule, rgb: np.ndarray, mpp: float) -> np.ndarray:
    """Instance labels (h, w) int32 of an RGB image of any scale."""
    if abs(mpp / MPP - 1) <= 0.03:
        return labels_of(model, rgb)
    height, width = rgb.shape[:2]
    size = round(width * mpp / MPP), round(height * mpp / MPP)
    how = cv2.INTER_AREA if mpp < MPP else cv2.INTER_LINEAR
    labels = labels_of(model, cv2.resize(rgb, size, interpolation=how))
    return cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", type=Path)
    parser.add_argument("--part", default="validation")
    parser.add_argument("--leave-out", default="", help="a cohort")
    arguments = parser.parse_args()
    model = torch.jit.load(arguments.weights, map_location="cpu").eval()
    dataset = open_dataset(arguments.data)
    names = {record.name for record in dataset.records}
    if arguments.split:
        names = set(read_split(arguments.split).parts[arguments.part])
    arguments.out.mkdir(parents=True, exist_ok=True)
    for record in dataset.records:
        if record.name in names and record.cohort != arguments.leave_out:
            sample = dataset.load(record)
            labels = labels_at(model, sample.image, sample.mpp)
            tifffile.imwrite(arguments.out / f"{record.name}.tif", labels.astype(np.uint32))
            print(record.name, labels.max())


if __name__ == "__main__":
    main()
