"""A minimal DICOM whole slide image (VL Whole Slide Microscopy, TILED_FULL, uncompressed)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from slide_files import halved, tiles

_TILE = 128


def _item(**fields: Any) -> Dataset:
    item = Dataset()
    for name, value in fields.items():
        setattr(item, name, value)
    return item


def _code(value: str, scheme: str, meaning: str) -> Sequence:
    return Sequence([_item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)])


def write_dicom(folder: Path, rgb: np.ndarray, mpp: float = 0.25) -> Path:
    """Write two levels, one file each, and return the folder."""
    folder.mkdir(exist_ok=True)
    series = {
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "PyramidUID": generate_uid(),
    }
    for level in range(2):
        pixels = halved(rgb, level) if level else rgb
        dataset = _instance(pixels, level, mpp * 2**level, rgb.shape, mpp)
        for name, value in series.items():
            setattr(dataset, name, value)
        dataset.save_as(folder / f"{level}.dcm", enforce_file_format=True)
    return folder


def _instance(
    pixels: np.ndarray, level: int, mpp: float, full: tuple[int, ...], full_mpp: float
) -> Dataset:
    frames = list(tiles(pixels, _TILE))
    kind = ["DERIVED", "PRIMARY", "VOLUME", "RESAMPLED"]
    if level == 0:
        kind = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    spacing = _item(PixelSpacing=[mpp / 1000] * 2, SliceThickness=0.01, SpacingBetweenSlices=0.01)
    organization = generate_uid()
    dataset = _item(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.6",
        SOPInstanceUID=generate_uid(),
        Modality="SM",
        ImageType=kind,
        InstanceNumber=level + 1,
        ImagedVolumeWidth=full[1] * full_mpp / 1000,
        ImagedVolumeHeight=full[0] * full_mpp / 1000,
        ImagedVolumeDepth=0.01,
        TotalPixelMatrixColumns=pixels.shape[1],
        TotalPixelMatrixRows=pixels.shape[0],
        TotalPixelMatrixFocalPlanes=1,
        TotalPixelMatrixOriginSequence=Sequence(
            [_item(XOffsetInSlideCoordinateSystem=0.0, YOffsetInSlideCoordinateSystem=0.0)]
        ),
        ImageOrientationSlide=[0, -1, 0, -1, 0, 0],
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
        NumberOfFrames=len(frames),
        Rows=_TILE,
        Columns=_TILE,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelRepresentation=0,
        LossyImageCompression="00",
        SpecimenLabelInImage="NO",
        FocusMethod="AUTO",
        ExtendedDepthOfField="NO",
        VolumetricProperties="VOLUME",
        ContainerIdentifier="c",
        AcquisitionDateTime="20200101000000",
        NumberOfOpticalPaths=1,
        OpticalPathSequence=Sequence(
            [
                _item(
                    OpticalPathIdentifier="0",
                    ObjectiveLensPower=40,
                    IlluminationTypeCodeSequence=_code("111744", "DCM", "Brightfield"),
                )
            ]
        ),
        SharedFunctionalGroupsSequence=Sequence(
            [
                _item(
                    PixelMeasuresSequence=Sequence([spacing]),
                    OpticalPathIdentificationSequence=Sequence([_item(OpticalPathIdentifier="0")]),
                )
            ]
        ),
        DimensionOrganizationType="TILED_FULL",
        DimensionOrganizationSequence=Sequence([_item(DimensionOrganizationUID=organization)]),
        PixelData=b"".join(frame.tobytes() for frame in frames),
    )
    dataset["PixelData"].VR = "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset
