"""Print the report's page as PDF with an installed Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from churnkit.core.io.atomic_write import refuse_url, write_atomic
from churnkit.errors import ChurnkitError

__all__ = ["BROWSER_VARIABLE", "find_browser", "write_pdf"]

BROWSER_VARIABLE: Final = "CHURNKIT_BROWSER"
"""Environment variable with the path of the browser, if it is not on the search path."""

_NAMES: Final = (
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
    "microsoft-edge", "msedge",
)  # fmt: skip
_SECONDS: Final = 120
_OPTIONS: Final = (
    "--headless",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--no-first-run",
    # The page loads nothing from the network, and neither does the browser.
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
)


def find_browser() -> str:
    """Return the path of Chromium, Chrome or Edge.

    Returns
    -------
    str
        That of `BROWSER_VARIABLE`, or the first one on the search path.

    Raises
    ------
    ChurnkitError
        If there is none.
    """
    named = os.environ.get(BROWSER_VARIABLE)
    for name in (named,) if named else _NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    missing = (
        f"{BROWSER_VARIABLE} names no program" if named else "no Chromium, Chrome or Edge found"
    )
    raise ChurnkitError(
        f"a PDF needs a browser: {missing}; install Chromium or set {BROWSER_VARIABLE}, or write "
        "HTML and print it from a browser"
    )


def write_pdf(html: str, path: str | os.PathLike[str]) -> Path:
    """Print a page atomically as PDF, without scripts and without network.

    Parameters
    ----------
    html
        The page.
    path
        File to write.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    ChurnkitError
        If there is no browser, or it fails.
    """
    refuse_url(path)
    browser = find_browser()
    with tempfile.TemporaryDirectory() as folder:
        page, printed = Path(folder) / "report.html", Path(folder) / "report.pdf"
        page.write_text(html, encoding="utf-8")
        command = [browser, *_OPTIONS, f"--user-data-dir={folder}/profile"]
        # Chromium's sandbox does not run as root, as in containers.
        command += ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
        try:
            subprocess.run(  # noqa: S603  (the browser of this machine, on a page of our own)
                [*command, f"--print-to-pdf={printed}", page.as_uri()],
                check=True,
                capture_output=True,
                timeout=_SECONDS,
            )
            content = printed.read_bytes()
        except (OSError, subprocess.SubprocessError) as error:
            raise ChurnkitError(
                f"{Path(browser).name} could not print the page ({type(error).__name__}): write "
                "HTML and print it from a browser"
            ) from None
    if not content.startswith(b"%PDF-"):
        raise ChurnkitError(f"{Path(browser).name} has written no PDF")
    write_atomic(path, content)
    return Path(path)
