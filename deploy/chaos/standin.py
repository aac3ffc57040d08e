"""A login node of a test's own for the cluster, on which Slurm's commands can be late or see nothing."""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile

from harness import TESTBED, settings, wait_until

# What stands in for each command; `$REAL` is the command itself, `$HERE` the directory of the flags.
PROGRAMS = {
    # It is begun in time, and comes to Slurm after its caller has given up.
    "sbatch": 'if rm "$HERE/late" 2>/dev/null; then sleep 20; fi; exec "$REAL" "$@"',
    "squeue": 'if [ -e "$HERE/hidden" ]; then exit 0; fi; exec "$REAL" "$@"',
    "scontrol": 'case "$*" in *"show job"*) if [ -e "$HERE/hidden" ]; then echo "Invalid job id specified" >&2; exit 1; fi;; esac; '
    'exec "$REAL" "$@"',
    "sacct": 'if [ -e "$HERE/hidden" ]; then exit 0; fi; exec "$REAL" "$@"',
}


class StandIn:
    """An sshd with those programs before the cluster's own. Its flags are files, which every account may remove."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="weir-standin-"))
        self.directory.chmod(0o1777)
        self.flags = self.directory / "flags"
        self.flags.mkdir()
        self.flags.chmod(0o777)
        programs = self.directory / "programs"
        programs.mkdir(mode=0o755)
        for name, text in PROGRAMS.items():
            file = programs / name
            file.write_text(f"#!/bin/bash\nREAL={shutil.which(name)} HERE={self.flags}\n{text}\n")
            file.chmod(0o755)
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
        left_out = re.compile("ListenAddress|PidFile|SetEnv|MaxStartups")
        lines = (TESTBED / "etc/sshd_config").read_text().splitlines()
        path = f"{programs}:{os.environ['PATH']}"
        own = [
            f"ListenAddress 127.0.0.1:{self.port}", "PidFile none",
            f"SetEnv SLURM_CONF={TESTBED}/etc/slurm.conf PATH={path}",
        ]  # fmt: skip
        config = self.directory / "sshd_config"
        config.write_text("\n".join([line for line in lines if not left_out.match(line)] + own) + "\n")
        with open(self.directory / "sshd.log", "ab") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/sshd", "-D", "-e", "-f", config], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

        def listens():
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return True

        wait_until(listens)

    def late_sbatch(self):
        """The next sbatch is late."""
        (self.flags / "late").touch()
        (self.flags / "late").chmod(0o666)

    def hide(self, hidden: bool = True):
        """No job is seen any more, or all are again."""
        if hidden:
            (self.flags / "hidden").touch()
        else:
            (self.flags / "hidden").unlink()

    @property
    def settings(self) -> dict:
        port = settings()["JARVICE_SLURM_CLUSTER_PORT"]
        known_hosts = self.directory / "known_hosts"
        known_hosts.write_text((TESTBED / "keys/known_hosts").read_text().replace(f":{port} ", f":{self.port} "))
        return {"JARVICE_SLURM_CLUSTER_PORT": str(self.port), "WEIR_SSH_KNOWN_HOSTS": str(known_hosts)}

    def close(self):
        self.process.terminate()
        self.process.wait(5)
        shutil.rmtree(self.directory, ignore_errors=True)
