"""Pictures saved as files: their width, title and caption, background, and text in SVG."""

import re
import struct
from pathlib import Path

import pytest

from halfbyte.base import UserError
from halfbyte.base.figures import FIGURE_KINDS, picture, scaled
from halfbyte.base.look import OWN_LOOK, Look, parse_width

MM = 25.4  # millimetres in an inch


def saved(folder: Path, look: Look = OWN_LOOK) -> dict[str, bytes]:
    """Draw a picture. Returns the content of its files by their extension, such as ``png``."""
    with picture(9.0, 6.0, title="A title", caption="A caption.", look=look) as drawn:
        axes = drawn.figure.add_subplot()
        axes.plot([1, 2], [3, 4])
        axes.set_xlabel("area, µm²", fontsize=scaled(10))
        written = drawn.save(folder / "plot")
    return {path.suffix[1:]: path.read_bytes() for path in written}


def png_pixels(data: bytes) -> tuple[int, int]:
    """Width and height in the header of a PNG file."""
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_a_picture_is_saved_in_every_kind(tmp_path):
    files = saved(tmp_path)
    assert tuple(files) == FIGURE_KINDS
    assert files["png"].startswith(b"\x89PNG")
    assert files["pdf"].startswith(b"%PDF")
    assert files["txt"].decode() == "A title\n\nA caption.\n"


def test_text_in_an_svg_is_stored_as_text_not_as_outlines(tmp_path):
    assert "area, µm²</text>" in saved(tmp_path)["svg"].decode()


@pytest.mark.parametrize("has_words", [False, True])
def test_title_and_caption_are_in_the_picture_only_if_wanted(tmp_path, has_words):
    svg = saved(tmp_path, Look(has_words=has_words))["svg"].decode()
    assert ("A title" in svg, "A caption" in svg) == (has_words, has_words)


def test_a_picture_has_the_chosen_width_and_its_text_shrinks_less(tmp_path):
    own, narrow = saved(tmp_path), saved(tmp_path, Look(width_mm=88.0))
    assert png_pixels(narrow["png"])[0] == pytest.approx(88 / MM * 300, abs=1)
    (width,) = re.findall(r'<svg [^>]*width="([\d.]+)pt"', narrow["svg"].decode())
    assert float(width) == pytest.approx(88 / MM * 72, abs=0.1)
    drawn = (each["svg"].decode() for each in (own, narrow))
    size = [float(re.search(r"font-size: ([\d.]+)px", svg)[1]) for svg in drawn]
    assert size == [10, 7]


def test_a_background_is_white_or_transparent(tmp_path):
    white, clear = saved(tmp_path), saved(tmp_path, Look(is_transparent=True))
    fills = [each["svg"].decode().count("fill: #ffffff") for each in (white, clear)]
    assert fills[0] > fills[1] == 0


@pytest.mark.parametrize(
    ("text", "width"), [("column", 88), ("page", 180), ("120", 120), ("85.5mm", 85.5)]
)
def test_widths_are_millimetres_or_names(text, width):
    assert parse_width(text) == width


@pytest.mark.parametrize("text", ["wide", "3", "nan", "1e9"])
def test_other_widths_are_refused(text):
    with pytest.raises(UserError, match=f"A width must be column, page, or 60 to .*not '{text}'"):
        parse_width(text)
