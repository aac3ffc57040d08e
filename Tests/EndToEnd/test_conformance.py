"""The conformance suite (Tests/Conformance) on real parts: GPU servers behind real sshd's, and Slurm. Swift tests run it
on the connectors dummy and local."""

import json
import os
import subprocess

from gpu_fixtures import no_jobs_left, rig, timed_out  # noqa: F401
from harness import REPOSITORY, account, settings
from rig import free_port

# Built beside the program; not what WEIR_BINARY names, which may be a release.
RUNNER = REPOSITORY / ".build/debug/ConformanceRunner"


def examine(directory, environment: dict, *arguments: str) -> str:
    """The table of what the connector showed; all that it claims must be there."""
    assert RUNNER.exists(), f"no program at {RUNNER}: swift build --product ConformanceRunner"
    (directory / "state").mkdir(mode=0o700)
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "WEIR_STATE_DIR": directory / "state", **environment}
    done = subprocess.run(
        [RUNNER, *arguments], env={key: str(value) for key, value in environment.items()}, cwd=directory,
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def row(table: str, capability: str) -> str:
    return next(line.split(None, 2)[2] for line in table.splitlines() if f" {capability} " in line)


def test_gpu_servers(rig, tmp_path):  # noqa: F811
    server = rig.server("alpha")
    for name, port in (("servers", server.port), ("away", free_port())):
        file = tmp_path / f"{name}.yaml"
        file.write_text(json.dumps({"servers": [{**server.entry, "root": ".weir-conformance", "port": port}]}))
        file.chmod(0o600)
    own = {
        "JARVICE_BAREMETAL_CONNECTOR": "gpu",
        "JARVICE_SCHED_SERVER_KEY": "rig:conformance",
        "WEIR_SERVERS_FILE": tmp_path / "servers.yaml",
        "WEIR_SSH_KNOWN_HOSTS": rig.known_hosts,
        "WEIR_POLL_INTERVAL": 1,
        "WEIR_CANCEL_GRACE": 1,
    }
    table = examine(
        tmp_path, own, "--account", server.account, "--unknown-id", "01J00000000000000000000000",
        "--away", f"WEIR_SERVERS_FILE={tmp_path / 'away.yaml'}", "--away-machine", "alpha",
    )  # fmt: skip
    assert row(table, "ownQueue") == "2 of 2 passed" and row(table, "recovering") == "not claimed"


def test_slurm(cluster, tmp_path):
    table = examine(
        tmp_path, settings(), "--account", account("kirby"), "--unknown-id", "999999", "--memory", "1", "--judged-by-output",
        "--option", "exclude=node1", "--away", f"JARVICE_SLURM_CLUSTER_PORT={free_port()}",
    )  # fmt: skip
    assert row(table, "recovering") == "1 of 1 passed" and row(table, "holding") == "not claimed"
