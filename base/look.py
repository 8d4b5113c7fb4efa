"""How pictures are saved: width, background, and whether title and caption are shown."""

from dataclasses import dataclass

from halfbyte.base.errors import UserError

__all__ = ["OWN_LOOK", "Look", "parse_width"]

# The widths of a column and of a page in papers with two columns, between those of IEEE (88.9 and
# 181 mm) and ACM (84.7 and 177.8 mm).
_NAMED_MM = {"column": 88.0, "page": 180.0}
_SHORTEST_MM, _LONGEST_MM = 60.0, 1000.0
_MM_PER_INCH = 25.4
# Text in a narrow picture is smaller, but not below this share of its usual size. So text of 10
# points keeps at least 7 points, which are usual for figures in papers.
_SMALLEST_TEXT = 0.7


@dataclass(frozen=True)
class Look:
    """How pictures are saved.

    Parameters
    ----------
    width_mm : float, optional
        The width in millimetres; if not given, each picture keeps the width it was designed for.
    has_words : bool
        Whether title and caption are in the picture. The text file beside it always has them.
    is_transparent : bool
        Whether the background is transparent instead of white.
    """

    width_mm: float | None = None
    has_words: bool = False
    is_transparent: bool = False

    def size(self, width: float, height: float) -> tuple[float, float, float]:
        """Width and height in inches, and the factor for the size of text.

        The picture was designed for ``width`` by ``height`` inches. Text shrinks less than the
        width does, so a narrow picture gets more height in proportion.
        """
        if self.width_mm is None:
            return width, height, 1.0
        inches = self.width_mm / _MM_PER_INCH
        text = min(1.0, max(_SMALLEST_TEXT, (inches / width) ** 0.5))
        return inches, height * inches / width / text, text


OWN_LOOK = Look()
"""Pictures as they were designed: with their own width, without title and caption, on white."""


def parse_width(text: str) -> float:
    """The width in mm that a text such as ``88``, ``88mm``, ``column`` or ``page`` states.

    Raises UserError for other text, and for widths below 60 mm or above 1000 mm.
    """
    if text in _NAMED_MM:
        return _NAMED_MM[text]
    try:
        value = float(text.removesuffix("mm"))
    except ValueError:
        value = 0.0
    if not _SHORTEST_MM <= value <= _LONGEST_MM:
        raise UserError(
            f"A width must be column, page, or {_SHORTEST_MM:g} to {_LONGEST_MM:g} mm, "
            f"not {text[:40]!r}"
        )
    return value
