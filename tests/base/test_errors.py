"""The two kinds of errors for users: wrong input, and a failed tool."""

from halfbyte.base import ToolError, UserError


def test_a_user_error_is_a_value_error() -> None:
    assert isinstance(UserError("wanted this, not that"), ValueError)


def test_a_tool_error_names_command_and_last_lines() -> None:
    output = "\n".join(f"line {index}" for index in range(100)) + "\n\n"
    error = ToolError("Synthesis failed", ["yosys", "script.ys"], output)
    lines = str(error).splitlines()
    assert lines[:2] == ["Synthesis failed", "command: yosys script.ys"]
    assert lines[2:] == [f"line {index}" for index in range(88, 100)]
    assert error.command == ("yosys", "script.ys")


def test_a_tool_error_without_output_is_one_line() -> None:
    assert str(ToolError("g++ is missing; install a C++ compiler")).count("\n") == 0
