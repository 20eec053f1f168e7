"""Limits of control groups, from folders made by hand after the kernel's documentation (cgroup-v1, cgroup-v2)."""

from pathlib import Path

import pytest

from bench.machine import environment
from bench.machine.container import Container, container


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


@pytest.fixture
def membership(tmp_path):
    def of(text: str) -> Path:
        (tmp_path / "membership").write_text(text + "\n")
        return tmp_path / "membership"

    return of


class TestVersion2:
    def test_the_strictest_of_a_group_and_those_above_holds(self, tmp_path, membership):
        root = tmp_path / "cgroup"
        write(root, cgroup__controllers="cpu memory")
        write(root / "pod", cpu__max="150000 100000", memory__max="max")
        write(
            root / "pod" / "job",
            cpu__max="max 100000",
            memory__max="1000",
            cpu__stat="nr_throttled 3\nthrottled_usec 2500000",
        )
        assert container(root, membership("0::/pod/job")) == Container(1.5, 1000, 2.5)

    @pytest.mark.parametrize("written", ["a b", "a:b", r"a\040b", "a b (deleted)"])
    def test_a_group_may_have_any_name(self, tmp_path, membership, written):
        name = written.removesuffix(" (deleted)").replace(r"\040", " ")
        write(tmp_path / "cgroup", cgroup__controllers="cpu")
        write(tmp_path / "cgroup" / name, cpu__max="50000 100000")
        assert container(tmp_path / "cgroup", membership(f"0::/{written}")).cores == 0.5

    @pytest.mark.parametrize(
        "quota", ["50000 0", "0 100000", "-1 100000", "50000", "max", "nan inf", "", "\x00", "9" * 400]
    )
    def test_what_makes_no_sense_is_no_limit(self, tmp_path, membership, quota):
        write(tmp_path / "cgroup", cgroup__controllers="cpu", cpu__max=quota, memory__max=quota, cpu__stat=quota)
        assert container(tmp_path / "cgroup", membership("0::/\nodd\n")).cores is None
        assert container(tmp_path / "cgroup", membership("0::/" + "x" * 5000)).cores is None

    def test_no_limit_is_none(self, tmp_path, membership):
        write(tmp_path / "cgroup", cgroup__controllers="cpu", cpu__max="max 100000", memory__max="max")
        assert container(tmp_path / "cgroup", membership("0::/")) == Container()

    def test_a_path_from_outside_the_container_ends_at_its_root(self, tmp_path, membership):
        write(tmp_path / "cgroup", cgroup__controllers="cpu", cpu__max="50000 100000")
        assert container(tmp_path / "cgroup", membership("0::/../other/job")).cores == 0.5


class TestVersion1:
    def test_each_controller_has_a_folder(self, tmp_path, membership):
        root = tmp_path / "cgroup"
        write(
            root / "cpu" / "job",
            cpu__cfs_quota_us="200000",
            cpu__cfs_period_us="100000",
            cpu__stat="throttled_time 1000000000",
        )
        write(root / "memory" / "job", memory__limit_in_bytes="4096")
        assert container(root, membership("4:cpu,cpuacct:/job\n3:memory:/job\n0::/")) == Container(2.0, 4096, 1.0)

    def test_no_limit_is_none(self, tmp_path, membership):
        root = tmp_path / "cgroup"
        write(root / "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
        write(root / "memory", memory__limit_in_bytes="9223372036854771712")
        assert container(root, membership("4:cpu:/\n3:memory:/")) == Container()


def test_a_system_without_groups_has_no_limits(tmp_path):
    assert container(tmp_path, tmp_path / "none") == Container()


@pytest.mark.parametrize(("quota", "cores"), [(None, 4), (1.5, 1), (0.5, 1), (2.0, 2), (64.0, 4)])
def test_the_cores_of_a_process_are_those_that_its_container_grants(monkeypatch, quota, cores):
    monkeypatch.setattr(environment, "container", lambda: Container(cores=quota))
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda process: {0, 1, 2, 3}, raising=False)
    assert environment.available_cores() == cores
