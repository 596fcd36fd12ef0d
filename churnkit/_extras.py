"""Optional dependencies: the pip command that installs what an extra lacks."""

from __future__ import annotations

from importlib import metadata

__all__ = ["DISTRIBUTION", "pip_command"]

DISTRIBUTION = "retention-decisions"
"""The library's name on a package index, where `churnkit` is another project."""


def pip_command(*extras: str, package: str = "") -> str:
    """Return the pip command that installs the missing packages of extras.

    Packages and bounds are read from the installed metadata, so the command is right however
    the library was installed.

    Parameters
    ----------
    extras
        Groups of optional dependencies, such as ``"train"``.
    package
        The package whose import failed. It is named even if its metadata is present, and alone
        if the library itself has no metadata, as in a zip archive on Spark.

    Returns
    -------
    str
        Such as ``pip install 'mlflow>=3.14' 'optuna>=4.0'``.
    """
    try:
        specifiers = [text for extra in extras for text in _unmet(extra, package)]
    except metadata.PackageNotFoundError:
        return f"pip install {package}".rstrip()
    return " ".join(["pip install", *(f"'{text}'" for text in dict.fromkeys(specifiers))])


def _unmet(extra: str, package: str) -> list[str]:
    """List the requirements of an extra that are not met; all of them if every one is."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    def requirements(extra: str) -> list[Requirement]:
        collected = []
        for requirement in map(Requirement, metadata.requires(DISTRIBUTION) or ()):
            marker = requirement.marker
            if marker is None or marker.evaluate({"extra": ""}):
                continue
            if marker.evaluate({"extra": extra}):
                if canonicalize_name(requirement.name) == DISTRIBUTION:
                    nested = sorted(requirement.extras)
                    collected += [each for name in nested for each in requirements(name)]
                else:
                    collected.append(requirement)
        return collected

    def is_met(requirement: Requirement) -> bool:
        name = canonicalize_name(requirement.name)
        if name == canonicalize_name(package):
            return False
        try:
            return requirement.specifier.contains(metadata.version(name), prereleases=True)
        except metadata.PackageNotFoundError:
            return False

    required = requirements(extra)
    unmet = [requirement for requirement in required if not is_met(requirement)] or required
    return [str(requirement).partition(";")[0].strip() for requirement in unmet]
