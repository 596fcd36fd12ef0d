"""The documentation site: ``python -m sphinx -W docs OUT`` builds it, without a network."""

import os
import re
import sys
from pathlib import Path
from typing import Any

from churnkit import __version__

sys.path.insert(0, str(Path(__file__).parent))
from _command_line import write_reference
from _providers import write_pages

project = "churnkit"
author = "churnkit's maintainers"
copyright = "churnkit's maintainers, Apache-2.0"  # noqa: A001 - the name that Sphinx reads
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "openapi", "examples"]
sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    # A display is shown as its figure.
    "ignore_repr_types": r"churnkit\.displays",
    # The figures need the public data; without them the pages have the code alone.
    "plot_gallery": "CHURNKIT_DATA_DIR" in os.environ,
    "abort_on_example_error": True,
}
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# Pages link to files of the repository that the site does not hold.
suppress_warnings = ["myst.xref_missing", "myst.header", "ref.python"]

html_theme = "furo"
html_title = "churnkit"
html_copy_source = False

autodoc_default_options = {"members": True, "imported-members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "NDArray": "NDArray"}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False


def _skip(_app: object, _what: str, name: str, *_: object) -> bool | None:
    """Leave out what scikit-learn adds to every estimator."""
    routing = name == "get_metadata_routing" or (name[:4] == "set_" and name[-8:] == "_request")
    return True if routing else None


# Shapes such as (n,) or (n, features) in the text of a docstring.
_SHAPE = re.compile(
    r"(?<![`\w(\[])\((?:n|m|k|s|p|f|rows|draws|customers)(?:,[^()]*(?:\([^()]*\))?[^()]*)\)(?!`)"
)


def _format_shapes(
    _app: object, _what: str, _name: str, _obj: object, _options: object, lines: list[str]
) -> None:
    """Typeset shapes as code, outside of examples."""
    for position, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[position] = _SHAPE.sub(r"``\g<0>``", line)


def setup(app: Any) -> None:
    """Register with Sphinx."""
    app.connect("autodoc-skip-member", _skip)
    # Before napoleon, which runs at the default priority of 500.
    app.connect("autodoc-process-docstring", _format_shapes, priority=400)
    app.connect("builder-inited", _write_references)


def _write_references(app: Any) -> None:
    """Write the pages that are made from the code."""
    folder = Path(app.srcdir) / "reference"
    write_reference(folder)
    write_pages(folder / "providers")
