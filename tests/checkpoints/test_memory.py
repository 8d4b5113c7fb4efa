"""Available memory is read from the files of a made-up Linux system.

The amount is what the system reports as available, or less if control groups (cgroups) of version 1
or 2 set a limit.
"""

import pytest

from halfbyte.base import UserError
from halfbyte.checkpoints import memory
from halfbyte.checkpoints.memory import available_memory, check_memory, readable_size

MIB = 2**20


def write(root, files):
    """Write files, given as a dict of path to text, below ``root``."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def system(tmp_path):
    """A folder like the root of a machine with 1000 MiB available and no control groups."""
    write(tmp_path, {"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:   1024000 kB\n"})
    return tmp_path


def test_without_control_groups_the_size_that_the_system_states_counts(system):
    assert available_memory(system) == 1000 * MIB


def test_a_group_of_version_2_sets_a_limit_and_its_file_cache_counts_as_free(system):
    write(
        system,
        {
            "proc/self/cgroup": "0::/jobs/one\n",
            "sys/fs/cgroup/jobs/one/memory.max": f"{300 * MIB}\n",
            "sys/fs/cgroup/jobs/one/memory.current": f"{200 * MIB}\n",
            "sys/fs/cgroup/jobs/one/memory.stat": f"anon 5\ninactive_file {50 * MIB}\n",
            "sys/fs/cgroup/jobs/memory.max": "max\n",
            "sys/fs/cgroup/jobs/memory.current": "1\n",
        },
    )
    assert available_memory(system) == 150 * MIB


def test_a_parent_group_sets_a_limit_too(system):
    write(
        system,
        {
            "proc/self/cgroup": "0::/jobs/one\n",
            "sys/fs/cgroup/jobs/memory.max": f"{20 * MIB}\n",
            "sys/fs/cgroup/jobs/memory.current": "0\n",
        },
    )
    assert available_memory(system) == 20 * MIB


def test_a_group_of_version_1_sets_a_limit(system):
    group = "sys/fs/cgroup/memory/box"
    write(
        system,
        {
            "proc/self/cgroup": "7:cpu,cpuacct:/box\n4:memory:/box\n0::/\n",
            f"{group}/memory.limit_in_bytes": f"{100 * MIB}",
            f"{group}/memory.usage_in_bytes": f"{120 * MIB}",
            f"{group}/memory.stat": f"inactive_file 1\ntotal_inactive_file {30 * MIB}\n",
        },
    )
    assert available_memory(system) == 10 * MIB


def test_in_a_container_the_group_is_the_root_of_the_mount(system):
    write(
        system,
        {
            "proc/self/cgroup": "0::/../../host/path\n",
            "sys/fs/cgroup/memory.max": f"{64 * MIB}",
            "sys/fs/cgroup/memory.current": "0",
        },
    )
    assert available_memory(system) == 64 * MIB


def test_nothing_is_refused_if_available_memory_is_unknown(tmp_path, monkeypatch):
    assert available_memory(tmp_path) is None
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    check_memory(2**60, "Everything")


def test_the_error_states_needed_and_available_memory(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 3 * 2**30 // 2)
    check_memory(2**30, "Loading tiny")
    with pytest.raises(UserError, match=r"Loading big needs about 2\.0 GiB .* only 1\.5 GiB is"):
        check_memory(2**31, "Loading big")


def test_this_machine_has_memory():
    assert available_memory() > MIB


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (2**31, "2.0 GiB")],
)
def test_sizes_are_given_in_readable_units(count, text):
    assert readable_size(count) == text
