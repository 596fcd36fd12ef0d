"""The documentation site: ``python -m sphinx -W docs OUT`` builds it, without a network."""

from typing import Any

from churnkit import __version__

project = "churnkit"
author = "churnkit's maintainers"
copyright = "churnkit's maintainers, Apache-2.0"  # noqa: A001 - the name that Sphinx reads
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "openapi"]
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


def _skip(_app: object, _what: str, name: str, *_: object) -> bool | None:
    """Leave out what scikit-learn adds to every estimator."""
    routing = name == "get_metadata_routing" or (name[:4] == "set_" and name[-8:] == "_request")
    return True if routing else None


def setup(app: Any) -> None:
    """Register with Sphinx."""
    app.connect("autodoc-skip-member", _skip)
