"""Nuclei, words and scale drawn on pixels: what overlays, previews and reports have in common."""

from karyoscope.drawing.legend import draw_box, legend_panel
from karyoscope.drawing.nuclei import draw_nuclei, drawn_box
from karyoscope.drawing.regions import draw_regions, draw_rings
from karyoscope.drawing.scale_bar import draw_scale_bar, round_length
from karyoscope.drawing.text import FAINT, INK, fit_text, put_text, put_text_right, text_width

__all__ = [
    "FAINT",
    "INK",
    "draw_box",
    "draw_nuclei",
    "draw_regions",
    "draw_rings",
    "draw_scale_bar",
    "drawn_box",
    "fit_text",
    "legend_panel",
    "put_text",
    "put_text_right",
    "round_length",
    "text_width",
]
