"""Arrange the help of a command: many options become groups, and paragraphs fill the width."""

from collections.abc import Mapping
from typing import Any

__all__ = ["PANEL_OF", "arrange"]

_MOST_IN_ONE_PANEL = 12  # a command with more options gets several panels
_DESIGN = "Design"
_LIBRARY = "Technology and clock"
_SEARCH = "Search"
_UNIT = "Unit, if not a MAC"
_MODEL = "Model and recipe"
_SIMULATION = "Simulation"
_OWN_VERILOG = "Your own Verilog"
_PLOT = "Plot"
_PICTURES = "Pictures"

# The names of the options in each panel. All other options are listed under "Options".
_PANELS: Mapping[str, str] = {
    _DESIGN: "arch activation terms acc_width overflow enable segment",
    _LIBRARY: "tech techs liberty dont_use clock clocks fo4 target operands",
    _SEARCH: "every effort saved_carries",
    _UNIT: "unit lanes scale block accumulator window codes symbols levels "
    "rows columns dataflow depth",
    _MODEL: "model recipe text context bos tasks task_folder task_limit",
    _SIMULATION: "simulator waves seed cycles count",
    _OWN_VERILOG: "dut top port tie latency junit",
    _PLOT: "axis mac_share memory_share array lossless",
    _PICTURES: "width annotate transparent",
}
PANEL_OF = {name: panel for panel, names in _PANELS.items() for name in names.split()}


def arrange(command: Any) -> None:
    """Join the lines of each paragraph of a command's help, and group its options if it has many.

    If the lines were not joined, paragraphs would keep the line breaks of the source, and break a
    second time in a terminal of 80 columns.
    """
    paragraphs = (command.help or "").split("\n\n")
    command.help = "\n\n".join(" ".join(each.split()) for each in paragraphs)
    options = [each for each in command.params if each.param_type_name == "option"]
    if sum(not each.hidden for each in options) <= _MOST_IN_ONE_PANEL:
        return
    names = {each.name for each in options}
    for option in options:
        panel = PANEL_OF.get(option.name)
        # If a command has no units (and so no lanes), --block and --scale belong to the recipe.
        option.rich_help_panel = _MODEL if panel == _UNIT and "lanes" not in names else panel
