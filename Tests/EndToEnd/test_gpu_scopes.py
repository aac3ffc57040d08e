"""Jobs where systemd ends what a login leaves behind: what prepare.sh finds out and start.sh does about it. There is no
systemd in the machines of these tests: loginctl and systemd-run are stand-ins that record how they are called."""

import shutil

import pytest
from test_gpu_scripts import Server, timed_out  # noqa: F401

WORDS = "--user --scope --quiet --collect"


@pytest.fixture(params=["dash", "bash", "ash"])
def server(request, tmp_path):
    return Server(request.param, tmp_path)


def stand_in(server, name: str, text: str):
    file = server.bin / name
    file.write_text(f'#!/bin/sh\necho "$*" >>{server.bin}/{name}.log\n{text}\n')
    file.chmod(0o755)


def systemd(server, kills="yes", lingers="yes", run='while [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"'):
    stand_in(
        server, "loginctl",
        f'case $* in *KillUserProcesses*) echo "KillUserProcesses={kills}" ;; *Linger*) echo "Linger={lingers}" ;; esac',
    )  # fmt: skip
    stand_in(server, "systemd-run", run)


def started_in_scopes(server) -> int:
    file = server.bin / "systemd-run.log"
    lines = file.read_text().splitlines() if file.exists() else []
    assert all(line.startswith(WORDS) for line in lines)
    return sum(" run " in line for line in lines)


def test_a_job_starts_in_a_scope_of_its_own(server):
    systemd(server)
    assert "warning" not in server.prepare()
    attempt = server.start('echo "$XDG_RUNTIME_DIR"; exit 3')
    assert attempt.end() == (3, 0, "exited")
    assert started_in_scopes(server) == 1


@pytest.mark.parametrize(
    "found, warning",
    [
        ({"kills": "no"}, None),
        ({"kills": "no", "lingers": "no"}, None),
        ({"lingers": "no"}, "loginctl enable-linger"),
        ({"run": "exit 1"}, "does not work"),
    ],
    ids=["not needed", "not needed nor there", "no lingering", "no manager"],
)
def test_where_there_is_none(server, found, warning):
    """The job starts all the same, and what an administrator should do is said."""
    systemd(server, **found)
    said = server.prepare()
    assert (warning in said["warning"] and "KillUserProcesses=yes" in said["warning"]) if warning else "warning" not in said
    assert server.start("exit 3").end() == (3, 0, "exited")
    assert started_in_scopes(server) == 0


def test_a_manager_that_is_gone_since(server):
    systemd(server)
    server.prepare()
    systemd(server, run="echo 'Failed to connect to bus' >&2; exit 1")
    assert server.start("exit 3").end() == (3, 0, "exited")
    assert started_in_scopes(server) == 1


def test_secrets_come_through(server):
    """The script that is on no disk is passed on through the scope, and TERM reaches the job."""
    systemd(server)
    server.prepare()
    attempt = server.start("echo secret; sleep 60", texts={"shown": "x"}, secret=True).said("secret")
    attempt.cancel()
    assert attempt.end()[2] == "canceled"
    assert started_in_scopes(server) == 1
    shutil.rmtree(server.root)
