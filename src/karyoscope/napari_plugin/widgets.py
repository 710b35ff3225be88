"""Widgets of napari: segment an image, and the features of a nucleus."""

from __future__ import annotations

from typing import Any

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import DEVICES, VIEWS, shipped_models
from karyoscope.napari_plugin.linking import Links, row_of, slide_of
from karyoscope.napari_plugin.segmentation import mpp_of, placement, segment_layer
from karyoscope.napari_plugin.table import lines_of

_BUNDLE = "another bundle"


def segment_widget(viewer: Any = None) -> Any:
    """Return the widget that segments an image layer and adds its nuclei as a label image.

    Parameters
    ----------
    viewer : napari.Viewer, optional
        The current one by default.

    Returns
    -------
    magicgui.widgets.Container
    """
    import napari
    from magicgui import widgets
    from napari.layers import Layer as NapariLayer
    from napari.qt.threading import create_worker
    from napari.utils.notifications import show_error, show_info

    viewer = viewer or napari.current_viewer()
    image = _image_choice(viewer)
    mpp = widgets.FloatSpinBox(label="pixel size (µm)", min=0, max=100, step=0.0001, value=0)
    mpp.tooltip = "Micrometres per pixel; 0 if unknown"
    model = widgets.ComboBox(label="model", choices=[*shipped_models(), _BUNDLE], value="lizard")
    bundle = widgets.FileEdit(label="bundle", visible=False)
    device = widgets.ComboBox(label="device", choices=list(DEVICES), value="auto")
    views = widgets.ComboBox(label="views", choices=list(VIEWS), value=1)
    views.tooltip = "Test-time augmentation: number of flips and rotations that are averaged"
    button = widgets.PushButton(text="Segment")
    panel = widgets.Container(widgets=[image, mpp, model, bundle, device, views, button])

    def show_mpp() -> None:
        mpp.value = (mpp_of(image.value) if image.value is not None else None) or 0

    def show_bundle() -> None:
        bundle.visible = model.value == _BUNDLE

    def segmented(source: Any, size: float, name: str, where: str, count: int) -> Any:
        try:
            return segment_layer(source, size or None, name, where, count)
        except KaryoscopeError as error:
            return str(error)

    def finish(result: Any) -> None:
        button.enabled = True
        if isinstance(result, str):
            show_error(result)
            return
        layer = NapariLayer.create(*result)
        layer.contour = 2
        viewer.add_layer(layer)
        show_info(f"karyoscope: {len(result[1]['features']['id'])} nuclei")

    def run() -> None:
        if image.value is None:
            show_info("karyoscope: open an image first")
            return
        chosen = str(bundle.value) if model.value == _BUNDLE else model.value
        worker = create_worker(
            segmented,
            *(image.value, mpp.value, chosen, device.value, views.value),
            _start_thread=False,
            _progress={"total": 0, "desc": "karyoscope"},
        )
        worker.returned.connect(finish)
        worker.errored.connect(lambda _: setattr(button, "enabled", True))
        button.enabled = False
        worker.start()

    image.changed.connect(show_mpp)
    model.changed.connect(show_bundle)
    button.changed.connect(run)
    show_mpp()
    return panel


def nucleus_widget(viewer: Any = None) -> Any:
    """Return the widget that links layers by id and shows the features of the selected nucleus.

    Parameters
    ----------
    viewer : napari.Viewer, optional
        The current one by default.

    Returns
    -------
    magicgui.widgets.Container
    """
    import napari
    from magicgui import widgets
    from napari.utils.notifications import show_info

    viewer = viewer or napari.current_viewer()
    number = widgets.SpinBox(label="id", min=0, max=(1 << 31) - 1, value=0)
    find = widgets.PushButton(text="Go to")
    image = _image_choice(viewer)
    align = widgets.PushButton(text="Place nuclei on image")
    table = widgets.Table(value={"feature": [], "value": []})
    panel = widgets.Container(widgets=[number, find, table, image, align])

    def show(layer: Any, row: int) -> None:
        lines = lines_of(layer.features, row)
        table.value = {"feature": [k for k, _ in lines], "value": [v for _, v in lines]}
        number.value = int(layer.features["id"][row])

    links = Links(viewer.layers, show)

    def go() -> None:
        for layer in links.of_slide():
            row = row_of(layer, number.value)
            slide = slide_of(layer)
            if row is None or slide is None:
                continue
            links.select(slide, number.value)
            if "x" in layer.features:
                place = [layer.features[axis][row] - 0.5 for axis in "yx"]
                getattr(viewer, "scene", viewer).camera.center = layer.data_to_world(place)
            return
        show_info(f"karyoscope: no layer has a nucleus {number.value}")

    def place() -> None:
        if image.value is None:
            return
        for layer in links.of_slide():
            for name, value in placement(image.value).items():
                setattr(layer, name, value)

    find.changed.connect(go)
    align.changed.connect(place)
    return panel


def _image_choice(viewer: Any) -> Any:
    """Return the choice of one of the image layers of the viewer."""
    from magicgui.widgets import ComboBox
    from napari.layers import Image

    def images(_: Any) -> list[Any]:
        return [layer for layer in viewer.layers if isinstance(layer, Image)]

    image = ComboBox(label="image", choices=images, nullable=False)
    viewer.layers.events.inserted.connect(image.reset_choices)
    viewer.layers.events.removed.connect(image.reset_choices)
    return image
