"""Predictions or a model, and annotated images, all named by path: one call scores them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.files import read_text
from karyoscope.core.taxonomy import Taxonomy
from karyoscope.datasets import Dataset, Sample
from karyoscope.datasets.split import read_split
from karyoscope.evaluation.card_scores import bundle_folder, write_measured
from karyoscope.evaluation.predictions import Prediction, Predictions, open_predictions
from karyoscope.evaluation.predictions.model import ModelPredictions
from karyoscope.evaluation.result import EvaluationResult
from karyoscope.evaluation.score import Begin, ScoringOptions, Watch, evaluate_predictions
from karyoscope.evaluation.truth import LabelMaps, match_single, open_truth
from karyoscope.inference import Model, load_model
from karyoscope.pipeline import Stain, input_stains, load_stain

#: Said in a card of scores of images that were listed by name.
_CHOSEN = "chosen images"


def evaluate(
    truth: str | Path | Dataset,
    predictions: str | Path | Predictions | None = None,
    *,
    model: str | Path | Model | None = None,
    options: ScoringOptions | None = None,
    split: str | Path | None = None,
    part: str = "validation",
    layout: str | None = None,
    form: str | None = None,
    classes: str | Taxonomy | None = None,
    predicted_classes: str | Taxonomy | None = None,
    mpp: float | None = None,
    tta: int = 1,
    stain: str | Path | Stain | None = None,
    device: str = "auto",
    threads: int = 0,
    out: str | Path | None = None,
    by: str | None = None,
    overwrite: bool = False,
    into_card: bool = False,
    begin: Begin = lambda images: None,
    watch: Watch = lambda sample, prediction: None,
) -> EvaluationResult:
    """Score predicted nuclei, or those that a model finds, on annotated images.

    This is what ``karyoscope evaluate`` does. Two label maps in memory are scored by
    :func:`karyoscope.score_pairs`.

    Parameters
    ----------
    truth : path or Dataset
        Folder of annotated images, or label maps: a folder or one file.
    predictions : path or Predictions, optional
        Folder of predictions, which are matched to the images by name, or one file.
    model : str, path or Model, optional
        Segments the images, in place of ``predictions``.
    options : ScoringOptions, optional
        Protocol, images and patches.
    split : path, optional
        Score one part of this split, which ``karyoscope data split`` wrote, instead of the images
        that ``options`` lists.
    part : str
        Name of that part.
    layout : str, optional
        Layout of the truth, where it is not recognised.
    form : str, optional
        Format of the predictions, where it is not recognised; one of
        :data:`karyoscope.evaluation.FORMATS`.
    classes, predicted_classes : str or Taxonomy, optional
        Taxonomy, or the name or file of one, of a truth that states none, and of predictions
        whose classes are not those of the truth.
    mpp : float, optional
        Micrometres per pixel of the images, where they do not state it.
    tta, device, threads : int, str and int
        How the model is run; see :func:`karyoscope.load_model`.
    stain : str, path or Stain, optional
        Changes the colours of the images before the model reads them; see
        :func:`karyoscope.pipeline.load_stain`.
    out : path, optional
        Folder for ``evaluation.json``, ``images.csv`` and ``evaluation.html``.
    by : str, optional
        Grouping of the images in the written report; one of
        :data:`karyoscope.evaluation.GROUPINGS`.
    overwrite : bool
        Replace a report in ``out``.
    into_card : bool
        Write the scores with their intervals into the card of the bundle ``model``, which is then
        the path of one.
    begin : callable
        Called once with the number of images.
    watch : callable
        Called with every image and its prediction, for progress and pictures.

    Returns
    -------
    EvaluationResult

    Raises
    ------
    KaryoscopeError
        If both or neither of ``predictions`` and ``model`` are given, something that is named
        cannot be used, no image could be scored, or ``out`` holds a report that may not be
        replaced.
    """
    if (predictions is None) == (model is None):
        raise KaryoscopeError("evaluate takes either predictions or a model")
    card = None
    if into_card:
        if model is None or isinstance(model, Model):
            raise KaryoscopeError("scores are written into the card of a bundle given by its path")
        card = bundle_folder(model)
    options = options or ScoringOptions()
    if split is not None:
        if options.records is not None:
            raise KaryoscopeError("give a split or the names of images, not both")
        options = replace(options, records=names_of_part(split, part))
    if out is not None:
        # Imported here, since drawing needs packages that scoring does not.
        from karyoscope.evaluation.pictures import Pictures
        from karyoscope.evaluation.write import prepare_folder, write_report

        prepare_folder(Path(out), overwrite)
        pictures = Pictures()
        watch = _both(pictures.add, watch)
    if isinstance(truth, Dataset):
        dataset = truth
    else:
        dataset = open_truth(truth, layout, _taxonomy(classes), mpp)
    if model is not None:
        if isinstance(dataset, LabelMaps):
            raise KaryoscopeError(f"{truth} holds label maps without images for the model to read")
        runner = model if isinstance(model, Model) else load_model(model, device, threads, tta)
        source: Predictions = _predictions_of(runner, stain, threads)
    elif isinstance(predictions, Predictions):
        source = predictions
    else:
        assert predictions is not None
        source = open_predictions(predictions, dataset, form, taxonomy=_taxonomy(predicted_classes))
        match_single(dataset, source)
    result = evaluate_predictions(dataset, source, options, watch, begin)
    if out is not None:
        write_report(result.to_dict(by), pictures, Path(out))
    if card is not None:
        scored = part if split is not None else None if options.records is None else _CHOSEN
        write_measured(card, {_title(dataset, scored, tta): result.for_card()})
    return result


def _title(dataset: Dataset, scored: str | None, views: int) -> str:
    """The title of scores in a card: the folder, which of its images, and the views averaged."""
    folder = Path(getattr(dataset, "root", dataset.name)).resolve().name
    return ", ".join(filter(None, [folder, scored, f"{views} views" if views > 1 else None]))


def _both(first: Watch, second: Watch) -> Watch:
    def watch(sample: Sample, prediction: Prediction) -> None:
        first(sample, prediction)
        second(sample, prediction)

    return watch


def _predictions_of(model: Model, stain: str | Path | Stain | None, threads: int) -> Predictions:
    """Return what the model finds; a stain that it cannot take is an error before it begins."""
    if stain is not None and not isinstance(stain, Stain):
        stain = load_stain(stain, model.mpp, threads)
    input_stains(model, stain)
    return ModelPredictions(model, stain)


def _taxonomy(given: str | Taxonomy | None) -> Taxonomy | None:
    return Taxonomy.load(given) if isinstance(given, str) else given


def names_listed(text: str | Path) -> list[str]:
    """Return the names in a file, one a line, or in a text, separated by commas.

    Parameters
    ----------
    text : str or path
        Path of a text file, or the names.
    """
    # os.path.isfile is also False for a text that is too long for a name.
    listed = read_text(text) if os.path.isfile(text) else str(text).replace(",", "\n")
    return [line.strip() for line in listed.splitlines() if line.strip()]


def names_of_part(split: str | Path, part: str) -> list[str]:
    """Return the names of the images of one part of a split.

    Parameters
    ----------
    split : path
        File that ``karyoscope data split`` wrote.
    part : str
        Such as ``"validation"``.

    Raises
    ------
    KaryoscopeError
        If the file cannot be read or has no such part.
    """
    parts = read_split(split).parts
    if part not in parts:
        raise KaryoscopeError(f"{split} has no part {part!r}; it has {', '.join(parts)}")
    return list(parts[part])
