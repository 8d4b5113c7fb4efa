"""``halfbyte derive``, which computes a format for a distribution and writes it as a file.

Every command accepts such a file in place of a format's name.
"""

import json

import pytest
import torch
from safetensors.torch import save_file

from halfbyte.formats import load


def derived(halfbyte, *arguments):
    """The JSON record that ``halfbyte derive`` prints."""
    (record,) = json.loads(halfbyte("derive", *arguments, "--json").stdout)
    return record


def test_student_t_with_nu_5_is_sf4(halfbyte, tmp_path):
    text = halfbyte("derive", "student_t", "--nu", "5").stdout
    assert "wrote build/formats/student_t_nu5.yaml" in text
    fmt, sf4 = load(tmp_path / "build/formats/student_t_nu5.yaml"), load("sf4")
    assert fmt.values == sf4.values
    assert (fmt.name, fmt.bits, fmt.family, fmt.ties) == ("student_t_nu5", 4, "quantile", sf4.ties)
    lines = [line.strip("│ ").split("│") for line in text.splitlines() if line.count("│") == 6]
    rows = {name.strip(): [cell.strip() for cell in cells] for name, *cells in lines}
    assert rows["sf4"] == rows["student_t_nu5"]
    assert rows["sf4"][2] == "0.35"  # distance to the optimum in dB


def test_the_normal_distribution_gives_nf4(halfbyte, tmp_path):
    record = derived(halfbyte, "normal", "--name", "mine", "-o", "some/where.yaml")
    fmt = load(tmp_path / "some/where.yaml")
    assert (fmt.name, fmt.values) == ("mine", load("nf4").values)
    assert (record["format"], record["file"]) == ("mine", "some/where.yaml")


@pytest.mark.parametrize("lut_bits", ["6", "10"])
@pytest.mark.parametrize("distribution", [["normal"], ["student_t", "--nu", "4.5"]])
def test_lloyd_max_is_nearer_to_the_optimum_than_quantiles(
    halfbyte, tmp_path, distribution, lut_bits
):
    common = [*distribution, "--lut-bits", lut_bits, "--block", "64"]
    quantile = derived(halfbyte, *common)
    best = derived(halfbyte, *common, "--method", "lloyd_max")
    assert 0 < best["distance_db"] < 0.25 < quantile["distance_db"]
    fmt = load(tmp_path / best["file"])
    assert max(fmt.values) == 1
    assert all(value.denominator <= 2 ** (int(lut_bits) - 1) - 1 for value in fmt.values)
    assert [str(value) for value in fmt.values] == best["values"]


def test_an_entropy_constrained_format_needs_fewer_bits(halfbyte, tmp_path):
    record = derived(halfbyte, "normal", "--method", "entropy", "--entropy", "3.1")
    assert record["entropy"] == pytest.approx(3.1, abs=0.1)
    fmt = load(tmp_path / "build/formats/normal_entropy.yaml")
    assert len(fmt.values) == 16
    assert len(set(fmt.values)) < 16  # unused codes repeat the highest value


def test_other_widths_have_names_of_their_own(halfbyte, tmp_path):
    record = derived(
        halfbyte, "student_t", "--nu", "3.25", "--bits", "3", "--method", "lloyd_max",
        "--block", "32", "--lut-bits", "10",
    )  # fmt: skip
    assert record["format"] == "student_t_nu3_25_lloyd_3bit_b32_lut10"
    assert load(tmp_path / record["file"]).bits == 3


def test_a_distribution_without_a_variance_still_has_quantiles(halfbyte):
    text = halfbyte("derive", "student_t", "--nu", "1.5").stdout
    assert "errors are not known: Student's t has no finite variance if nu is at most 2" in text


def test_nu_is_taken_from_a_model(halfbyte, tmp_path):
    torch.manual_seed(0)
    draw = torch.distributions.StudentT(5.0).sample
    save_file(
        {"a.weight": draw((300, 300)), "b.weight": draw((200, 400)), "c.weight": draw((99, 999))},
        tmp_path / "weights.safetensors",
    )
    record = derived(halfbyte, "student_t", "--from", "weights.safetensors", "--name", "fitted")
    assert record["nu"] == pytest.approx(5, rel=0.05)
    assert record["from"] == "weights.safetensors"
    text = (tmp_path / record["file"]).read_text()
    assert f"nu: {record['nu']:g}\n" in text


def test_every_other_command_takes_the_file(halfbyte):
    halfbyte("derive", "student_t", "--nu", "5", "--method", "lloyd_max", "-o", "mine.yaml")
    (record,) = json.loads(halfbyte("formats", "mine.yaml", "--json").stdout)
    assert record["name"] == "student_t_nu5_lloyd"
    assert record["integer_width"] == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cauchy"], "Distribution must be normal or student_t, not 'cauchy'"),
        (["student_t"], "student_t needs --nu or --from MODEL"),
        (["normal", "--nu", "5"], "are for student_t, not for normal: leave them out"),
        (["normal", "--from", "minilm"], "are for student_t, not for normal"),
        (["student_t", "--nu", "5", "--from", "minilm"], "Give --nu or --from MODEL, not both"),
        (["student_t", "--nu", "nan"], "nu must be 0.5 to 1e+06, not nan"),
        (["student_t", "--nu", "2", "--method", "lloyd_max"], "nu must be 2.01 to 1e+06, not 2.0"),
        (["normal", "--method", "magic"], "Method must be one of quantile, lloyd_max, entropy"),
        (
            ["normal", "--block", "1", "--method", "lloyd_max"],
            "block must be an integer from 2 to 1048576",
        ),
        (["normal", "--entropy", "3"], "--entropy has no effect without --method entropy"),
        (["normal", "--method", "entropy", "--entropy", "9"], "entropy must be 1 to 4 bits"),
        (["normal", "--name", "../../etc/passwd"], "lower-case Python identifier"),
        (["normal", "--name", "a\nvalues: [1]"], "lower-case Python identifier"),
        (["normal", "--name", "x" * 41], "at most 40 characters, not 41"),
        (["normal", "--name", "class"], "lower-case Python identifier"),
        (["normal", "--name", "sf4"], "sf4 is the name of a shipped format"),
        (["normal", "-o", "mine.txt"], "The output must be a .yaml file, not 'mine.txt'"),
        (["student_t", "--from", "no.safetensors"], "no.safetensors cannot be read"),
    ],
)
def test_errors_are_one_line_and_leave_no_file(halfbyte, tmp_path, arguments, message):
    done = halfbyte("derive", *arguments, check=False)
    assert done.returncode == 1
    assert done.stderr.lstrip().startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert not list(tmp_path.iterdir())
