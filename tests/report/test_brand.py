"""Name, logo and accent color of the page."""

from __future__ import annotations

import re

import numpy as np
import pytest

from churnkit.errors import ChurnkitError
from churnkit.report import Brand, build_report

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colors by the formula of WCAG 2.2."""

    def luminance(color: str) -> float:
        channels = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("accent", ["#ffcc00", "#000000", "#ffffff", "#1b5e9e", "#00ff00"])
def test_text_in_any_accent_color_is_legible_in_both_modes(accent):
    light, dark = re.findall(r"#[0-9a-f]{6}", Brand(accent=accent).style())
    assert contrast(light, "#f4f6f8") >= 4.5
    assert contrast(dark, "#171e27") >= 4.5


def test_a_legible_color_is_kept():
    assert "--accent: #1b5e9e" in Brand(accent="#1b5e9e").style()


def test_the_page_has_the_name_or_the_logo_and_its_policy_allows_it(tmp_path):
    pytest.importorskip("jinja2", reason="the extra 'report' is not installed")
    page = build_report(brand=Brand("Acme <&>")).html
    assert "Acme &lt;&amp;&gt;" in page
    assert "img-src" not in page
    file = tmp_path / "logo.png"
    file.write_bytes(PIXEL)
    page = build_report(brand=Brand("Acme", file, "#aa0055")).html
    assert '<img class="logo" src="data:image/png;base64,' in page
    assert 'alt="Acme"' in page
    assert "img-src data:" in page


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"GIF89a", "not a PNG, JPEG or SVG image"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 400_000, "has more than 300 kB"),
        (None, "cannot be read"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    file = tmp_path / "logo"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ChurnkitError, match=message):
        Brand(logo=file)


@pytest.mark.parametrize("accent", ["red", "#12345", "#12345g", "url(x)", "#123456;}"])
def test_other_colors_are_refused(accent):
    with pytest.raises(ChurnkitError, match="#RRGGBB"):
        Brand(accent=accent)
