"""Name, logo and accent color of a company on the report."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from pathlib import Path

from churnkit.errors import ChurnkitError

__all__ = ["Brand"]

_MOST_BYTES = 300_000
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
# Text of the accent color has at least this contrast (WCAG 2.2, level AA).
_LEAST_CONTRAST = 4.5
_LIGHT_PAGE, _DARK_PAGE = "#f4f6f8", "#171e27"


@dataclass(frozen=True, slots=True)
class Brand:
    """Name, logo and accent color.

    Parameters
    ----------
    name
        Name above the title.
    logo
        Path of a PNG, JPEG or SVG file of at most 300 kB, which becomes part of the page.
    accent
        Color as ``#1b5e9e``; darkened, or lightened in dark mode, until text in it is legible.

    Raises
    ------
    ChurnkitError
        If the color is not a color, or the logo cannot be read.

    Examples
    --------
    >>> Brand("Acme", accent="#ffcc00").style()
    ':root { --accent: #876c00; } @media (prefers-color-scheme: dark) { :root { --accent: #ffcc00; } }'
    """

    name: str = "churnkit"
    logo: str | Path | None = None
    accent: str | None = None

    def __post_init__(self) -> None:
        if self.accent is not None and not _COLOR.fullmatch(self.accent):
            raise ChurnkitError("the accent color must be #RRGGBB, such as #1b5e9e")
        self.logo_url()

    def logo_url(self) -> str:
        """Return the logo as a data URL; empty without one."""
        if self.logo is None:
            return ""
        path = Path(self.logo)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ChurnkitError(f"the logo {path} cannot be read: {error.strerror}") from None
        if len(content) > _MOST_BYTES:
            raise ChurnkitError(f"the logo {path} has more than {_MOST_BYTES // 1000} kB: scale it")
        kind = next((k for s, k in _SIGNATURES.items() if content.startswith(s)), None)
        if kind is None and b"<svg" in content[:2000]:
            kind = "image/svg+xml"
        if kind is None:
            raise ChurnkitError(f"the logo {path} is not a PNG, JPEG or SVG image")
        return f"data:{kind};base64,{base64.b64encode(content).decode()}"

    def style(self) -> str:
        """Return the style rules of the accent color; empty without one."""
        if self.accent is None:
            return ""
        light, dark = _legible(self.accent, _LIGHT_PAGE), _legible(self.accent, _DARK_PAGE)
        return (
            f":root {{ --accent: {light}; }} @media (prefers-color-scheme: dark) "
            f"{{ :root {{ --accent: {dark}; }} }}"
        )


def _legible(color: str, page: str) -> str:
    """Mix a color with black or white, in steps of a hundredth, until it is legible on a page."""
    target = 0.0 if _luminance(_channels(page)) > 0.5 else 255.0
    channels = _channels(color)
    for step in range(101):
        mixed = tuple(round(c + (target - c) * step / 100) for c in channels)
        if _contrast(mixed, _channels(page)) >= _LEAST_CONTRAST:
            break
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def _channels(color: str) -> tuple[int, ...]:
    return tuple(int(color[at : at + 2], 16) for at in (1, 3, 5))


def _luminance(channels: tuple[int, ...]) -> float:
    """Return the relative luminance (WCAG 2.2)."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (channel / 255 for channel in channels)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)
