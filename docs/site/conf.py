"""Settings of Sphinx; the site is built by ``build.py`` beside this file."""

import sys
from pathlib import Path

import karyoscope

sys.path.insert(0, str(Path(__file__).parent))

project = "karyoscope"
author = "The karyoscope authors"
copyright = "The karyoscope authors, Apache-2.0"
version = release = karyoscope.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc", "references", "mathml"]
root_doc = "index"
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

myst_heading_anchors = 4
html_math_renderer = "mathml"

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
# Names that are not ours are not looked up: the build needs no network.
nitpick_ignore_regex = [("py:.*", r"(?!karyoscope\.).*")]

html_theme = "pydata_sphinx_theme"
html_title = "karyoscope"
html_search_scorer = str(Path(__file__).parent / "scorer.js")
html_static_path = ["_static"]
html_css_files = ["site.css"]
# The table is as wide as the page.
html_sidebars = {"comparison": []}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "header_links_before_dropdown": 10,
    "github_url": "https://github.com/karyoscope/karyoscope",
    "navbar_align": "left",
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": {"comparison": [], "**": ["page-toc"]},
    "search_bar_text": "Search the documentation",
}
linkcheck_anchors = False
