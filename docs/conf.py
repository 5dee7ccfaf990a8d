"""Settings of Sphinx for the pages of this folder, which ``python3 dev.py docs`` builds."""

from __future__ import annotations

from napari_dicommeta import __version__

project = "napari-dicommeta"
author = "The napari-dicommeta developers"
project_copyright = author
release = version = __version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a finding's heading stands below that of its severity

default_role = "code"  # docstrings have `names` in single backticks, as NumPy's have
napoleon_google_docstring = False
napoleon_use_rtype = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "show-inheritance": False}
python_maximum_signature_line_length = 88
add_module_names = False

html_theme = "furo"
html_title = f"napari-dicommeta {__version__}"
html_favicon = "../src/napari_dicommeta/icon.svg"
html_logo = "../src/napari_dicommeta/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "source_repository": "https://github.com/napari-dicommeta/napari-dicommeta/",
    "source_branch": "main",
    "source_directory": "docs/",
}
