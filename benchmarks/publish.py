"""Where the figures of a benchmark go: a JSON file, and a section of RESULTS.md."""

from __future__ import annotations

import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def machine(*packages: str) -> dict[str, Any]:
    """Describe what a figure was measured on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
    }


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.is_file():
        for line in facts.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def publish(name: str, results: dict[str, Any], section: str) -> None:
    """Write a benchmark's figures.

    Parameters
    ----------
    name
        The benchmark's: ``results/<name>.json``, and the section between its marks.
    results
        Everything that was measured.
    section
        The same for people, as Markdown.
    """
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    page = HERE / "RESULTS.md"
    text = page.read_text(encoding="utf-8") if page.exists() else "# Measured\n"
    if start not in text:
        text = f"{text.rstrip()}\n\n{start}\n{end}\n"
    before, rest = text.split(start, 1)
    after = rest.split(end, 1)[1]
    page.write_text(f"{before}{start}\n{section.strip()}\n{end}{after}", encoding="utf-8")
