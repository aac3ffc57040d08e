"""The clock is stepped under a running Weir, with real Slurm and sshd: a short form of deploy/chaos.sh clock."""

import sys

from harness import REPOSITORY, promises_are_kept

sys.path.insert(0, str(REPOSITORY / "deploy/chaos"))
import clock  # noqa: E402


def test_steps_of_the_clock_double_and_lose_nothing(cluster, tmp_path):
    """It takes what a late sbatch takes, and the least WEIR_LOST_AFTER."""
    result = clock.run(
        cluster, tmp_path, submits=("submit.row-written", "submit.answered"), ends=("end.decided",), settles=(None,),
        steps=(120,),
    )  # fmt: skip
    promises_are_kept(result)
