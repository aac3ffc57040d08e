"""What Weir says of settings it cannot work with."""

import re
import socket
import subprocess

import pytest
from harness import TESTBED, account, base64_text, private_key, settings, token, wait_until


def refused(weir) -> str:
    """The one message of a Weir that will not start."""
    done = weir.run("serve")
    assert done.returncode == 78, (done.returncode, done.stderr)
    assert "listening" not in done.stderr
    return done.stderr


def test_version_and_help(new_weir):
    assert re.search(r"\d+\.\d+", new_weir().run("--version").stdout)
    assert "serve" in new_weir().run("--help").stdout


def test_every_wrong_setting_is_named_at_once(new_weir):
    wrong = {"WEIR_PORT": "99999", "JARVICE_SLURM_CLUSTER_PORT": "ssh", "WEIR_JWT_KEY_FILE": "/nowhere/key.pem"}
    message = refused(new_weir(**wrong))
    for name, value in wrong.items():
        assert name in message and value in message


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"WEIR_PROT": "5000"}, ["WEIR_PROT"]),
        ({"JARVICE_BAREMETAL_CONNECTOR": "pbs"}, ["JARVICE_BAREMETAL_CONNECTOR", "slurm"]),
        ({"JARVICE_SLURM_CLUSTER_ADDR": None}, ["JARVICE_SLURM_CLUSTER_ADDR"]),
        ({"JARVICE_SLURM_SSH_PKEY": "bm90IGEga2V5"}, ["JARVICE_SLURM_SSH_PKEY"]),
        ({"WEIR_USERS_FILE": "/nowhere/users.yaml"}, ["WEIR_USERS_FILE", "/nowhere/users.yaml"]),
        ({"WEIR_SSH_KNOWN_HOSTS": "/nowhere/known_hosts"}, ["WEIR_SSH_KNOWN_HOSTS"]),
        ({"WEIR_JWT_ALGORITHMS": "HS256"}, ["WEIR_JWT_", "HS256"]),
        ({"JARVICE_SCHED_SERVER_KEY": None, "WEIR_JWT_KEY_FILE": None}, ["JARVICE_SCHED_SERVER_KEY", "WEIR_AUTH"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_wrong_setting_is_named(new_weir, changes, words):
    message = refused(new_weir(**changes))
    assert all(word in message for word in words), message


def test_rsa_key_of_the_observer_is_refused_with_the_way_out(new_weir):
    message = refused(new_weir(JARVICE_SLURM_SSH_PKEY=base64_text(private_key("jarvice", "rsa"))))
    assert "JARVICE_SLURM_SSH_PKEY" in message and "RSA" in message and "ed25519" in message


def test_taken_port_is_said(new_weir):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = new_weir(WEIR_PORT=port).run("serve")
    assert done.returncode not in (0, None) and str(port) in done.stderr and "WEIR_PORT" in done.stderr


def test_bind_address_of_no_machine_is_a_wrong_setting(new_weir):
    for command in ("config", "serve"):
        done = new_weir(JARVICE_BAREMETAL_CONNECTOR="dummy", WEIR_BIND_ADDRESS="300.0.0.1").run(command)
        assert done.returncode == 78 and "WEIR_BIND_ADDRESS: '300.0.0.1' is wrong" in done.stderr, done.stderr
    done = new_weir(JARVICE_BAREMETAL_CONNECTOR="dummy", WEIR_BIND_ADDRESS="192.0.2.1").run("serve")
    assert done.returncode == 1 and "WEIR_BIND_ADDRESS: cannot listen on 192.0.2.1" in done.stderr, done.stderr


def not_ready(weir) -> str:
    """The one reason why a Weir that started cannot work."""
    weir.start(ready=False)
    assert weir.get("/live").status == 200

    def reason():
        answer = weir.get("/ready")
        assert answer.status == 503
        return "under way" not in answer.json()["reasons"][0] and answer

    answer = wait_until(reason)
    assert answer.json()["status"] == "BAD" and len(answer.json()["reasons"]) == 1, answer.body
    user = "Bearer " + token()
    for path in ("/running", "/queued"):
        full, plain = weir.get(path), weir.get(path, credentials=user)
        assert full.status == plain.status == 503 and full.json()["code"] == plain.json()["code"]
        assert plain.error == "the backend cannot serve this request now; try again later"
        id = plain.headers["x-request-id"]
        line = wait_until(lambda: [line for line in weir.log.splitlines() if f"request-id={id} " in line])[0]  # noqa: B023
        assert "code=backend_unavailable" in line and full.error.split("; last")[0] in line, line
    return answer.json()["reasons"][0]


def test_unknown_host_key_is_said_with_what_to_do(new_weir, tmp_path):
    (tmp_path / "known_hosts").write_text("")
    before = (TESTBED / "log/sshd.log").read_text(errors="replace").count("Accepted")
    reason = not_ready(new_weir(WEIR_SSH_KNOWN_HOSTS=tmp_path / "known_hosts"))
    assert "ssh-keyscan" in reason and "127.0.0.1" in reason and "SHA256:" in reason
    assert (TESTBED / "log/sshd.log").read_text(errors="replace").count("Accepted") >= before


def test_changed_host_key_is_refused(new_weir, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    port = settings()["JARVICE_SLURM_CLUSTER_PORT"]
    public = (tmp_path / "other.pub").read_text()
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
    reason = not_ready(new_weir(WEIR_SSH_KNOWN_HOSTS=tmp_path / "known_hosts"))
    assert "changed" in reason and reason.count("SHA256:") == 2


def test_first_host_key_is_kept_without_a_known_hosts_file(new_weir):
    weir = new_weir(WEIR_SSH_KNOWN_HOSTS=None).start()
    weir.stop()
    assert "SHA256:" in weir.log
    weir.start()


def test_unreachable_cluster_is_said(new_weir):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free = probe.getsockname()[1]
    weir = new_weir(JARVICE_SLURM_CLUSTER_PORT=free)
    reason = not_ready(weir)
    assert f"127.0.0.1:{free}" in reason
    assert weir.try_submit().status == 503


def test_refused_login_is_said_and_not_tried_again(new_weir, cluster):
    def refusals():
        return (
            (TESTBED / "log/sshd.log")
            .read_text(errors="replace")
            .count(f"Connection closed by authenticating user {account('jarvice')} ")
        )

    before = refusals()
    reason = not_ready(new_weir(JARVICE_SLURM_SSH_PKEY=base64_text(private_key("mario"))))
    assert account("jarvice") in reason
    assert refusals() - before <= 1, "whoever tries again and again is banned"


def test_without_authentication_all_calls_are_open(new_weir):
    weir = new_weir(WEIR_AUTH="none", JARVICE_SCHED_SERVER_KEY=None).start()
    assert weir.get("/running", credentials="Basic x").json() == []
