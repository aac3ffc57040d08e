"""Everything is broken on purpose, and no job is lost, doubled or told wrongly: short forms of deploy/chaos.sh."""

import os
import statistics
import sys

import pytest
from harness import REPOSITORY, promises_are_kept

sys.path.insert(0, str(REPOSITORY / "deploy/chaos"))
import daemons  # noqa: E402
import environment  # noqa: E402
import kills  # noqa: E402
import network  # noqa: E402
import soak  # noqa: E402
from proxy import Fault  # noqa: E402

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


def test_every_broken_promise_is_shown_in_full():
    faults = [f"job{number}: {'x' * 200} end{number}" for number in range(10)]
    with pytest.raises(AssertionError) as failure:
        promises_are_kept({"jobs": 10, "lost": faults[:3], "doubled": faults[3:5], "faults": faults[5:]})
    assert all(fault in str(failure.value) for fault in faults), failure.value


def test_killed_at_every_step(cluster, tmp_path):
    result = kills.run(cluster, tmp_path, 2 * len(kills.points()), 2)
    promises_are_kept(result)
    unreached = [name for name, count in result["kills of each step"].items() if count == 0]
    assert not unreached, f"not reached: {unreached}"


def test_bad_network(cluster, tmp_path):
    faults = [
        Fault("connect", "reset"), Fault("banner", "swallow"), Fault("key exchange", "delay"), Fault("login", "cut"),
        Fault("command", "reset"), Fault("answer", "swallow"),
    ]  # fmt: skip
    result = network.run(cluster, tmp_path, faults, 2)
    promises_are_kept(result)
    assert statistics.median(result["live"]) < network.LIVE


@as_root
def test_sick_daemons(cluster, tmp_path):
    kinds = [
        daemons.ControllerStopped, daemons.AccountingStopped, daemons.SSHStopped, daemons.LoginsRefused,
        daemons.StartupsTaken, daemons.HomeUnwritable, daemons.DiskFull,
    ]  # fmt: skip
    result = daemons.run(cluster, tmp_path, kinds, seconds=4)
    promises_are_kept(result)


def test_hostile_login_files(cluster, tmp_path):
    case = next(case for case in environment.CASES if case[0] == "all at once")
    (result,) = environment.run(cluster, tmp_path, [case], ())
    assert result.is_good and result.jobs, result.kinds


def test_soak(cluster, tmp_path):
    result = soak.run(cluster, tmp_path, seconds=20)
    promises_are_kept(result)
    # Whether all stays flat shows in minutes (deploy/chaos.sh soak); so short a run, in which the faults take most of the
    # time and calls wait for each other, shows what is held at the worst of it. Megabytes for memory and log.
    bounds = {"descriptors": 100, "threads": 40, "memory": 60, "log": 16}
    for name, most in result["most"].items():
        assert {kind: value for kind, value in most.items() if value > bounds[kind]} == {}, name
