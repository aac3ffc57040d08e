"""What others on the same machine or the same network learn of a Weir, and what an operator can change while it runs."""

import os
import pathlib
import signal

from harness import TESTBED, account, base64_text, private_key, token, wait_until

SECRET = "JARVICE_SCHED_SERVER_KEY_FILE"


def test_outsiders_learn_no_reason_from_ready(new_weir, tmp_path):
    (tmp_path / "known_hosts").write_text("")
    weir = new_weir(WEIR_SSH_KNOWN_HOSTS=tmp_path / "known_hosts").start(ready=False)
    wait_until(lambda: "ssh-keyscan" in weir.get("/ready").json()["reasons"][0])
    for credentials in ("", "Basic bm9ib2R5OndpdGg="):
        answer = weir.get("/ready", credentials=credentials)
        assert answer.status == 503 and answer.json()["reasons"] == ["unavailable"]


def test_outsiders_learn_nothing_from_a_standby(new_weir):
    first = new_weir(JARVICE_BAREMETAL_CONNECTOR="dummy").start()
    state = first.settings["WEIR_STATE_DIR"]
    second = new_weir(JARVICE_BAREMETAL_CONNECTOR="dummy", WEIR_STATE_DIR=state).start(ready=False)
    assert state in second.get("/ready").json()["reasons"][0]
    for credentials in ("", "Basic bm9ib2R5OndpdGg="):
        answer = second.get("/ready", credentials=credentials)
        assert answer.status == 503 and answer.json() == {"status": "BAD", "reasons": ["standby"]}
        answer = second.get("/running", credentials=credentials)
        assert answer.status == 503 and answer.json()["error"] == "standby" and state not in answer.body.decode()


def test_secrets_are_not_in_the_environment_of_a_running_weir(new_weir):
    weir = new_weir(JARVICE_BAREMETAL_CONNECTOR="dummy", JARVICE_DOCKER_PASSWORD="c2VjcmV0").start()
    environment = pathlib.Path(f"/proc/{weir.process.pid}/environ").read_bytes()
    assert b"WEIR_STATE_DIR=" in environment
    for name in ("JARVICE_SCHED_SERVER_KEY", "JARVICE_DOCKER_PASSWORD"):
        assert weir.settings[name].encode() not in environment


def test_hang_up_reads_all_files_again_and_ends_nothing(new_weir, tmp_path):
    key = tmp_path / "key"
    key.write_text("upstream:first\n")
    key.chmod(0o600)
    weir = new_weir(JARVICE_BAREMETAL_CONNECTOR="dummy", JARVICE_SCHED_SERVER_KEY=None, **{SECRET: key}).start()

    def status(password):
        weir.settings["JARVICE_SCHED_SERVER_KEY"] = f"upstream:{password}"
        return weir.get("/queued").status

    assert (status("first"), status("second")) == (200, 401)
    key.write_text("upstream:second\n")
    weir.process.send_signal(signal.SIGHUP)
    wait_until(lambda: status("second") == 200)
    assert status("first") == 401
    key.write_text("no colon\n")
    weir.process.send_signal(signal.SIGHUP)
    wait_until(lambda: status("second") == 200 and "keeps the previous values" in weir.get("/ready").body.decode())
    # Without a signal too.
    key.write_text("upstream:third\n")
    wait_until(lambda: status("third") == 200)
    assert "warnings" not in weir.get("/ready").json()
    assert weir.process.poll() is None and weir.stop() == 0


def test_files_that_others_can_read_are_named_and_those_they_can_change_refused(new_weir, tmp_path):
    key = tmp_path / "key"
    key.write_text("upstream:first\n")
    key.chmod(0o644)
    weir = new_weir(JARVICE_BAREMETAL_CONNECTOR="dummy", JARVICE_SCHED_SERVER_KEY=None, **{SECRET: key}).start()
    weir.settings["JARVICE_SCHED_SERVER_KEY"] = "upstream:first"
    assert f"chmod go-rwx {key}" in weir.get("/ready").body.decode() and f"chmod go-rwx {key}" in weir.log
    assert str(key) not in weir.get("/ready", credentials="").body.decode()
    key.chmod(0o600)
    wait_until(lambda: "warnings" not in weir.get("/ready").json())
    weir.stop()
    del weir.settings["JARVICE_SCHED_SERVER_KEY"]
    key.chmod(0o666)
    done = weir.run("serve")
    assert done.returncode == 78 and SECRET in done.stderr and str(key) in done.stderr


def test_variables_that_nothing_reads_are_named_at_start(new_weir):
    unknown = {"JARVICE_BAREMETAL_SCRATCH_DIR": "/scratch", "JARVICE_SLURM_SSH_USR": "x"}
    weir = new_weir(JARVICE_BAREMETAL_CONNECTOR="dummy", **unknown).start()
    assert "JARVICE_BAREMETAL_SCRATCH_DIR: unknown setting; is JARVICE_JOB_SCRATCH_DIR meant?" in weir.log
    assert "JARVICE_SLURM_SSH_USR: unknown setting; is JARVICE_SLURM_SSH_USER meant?" in weir.log


def test_a_crash_writes_no_memory_to_the_log(new_weir):
    weir = new_weir(JARVICE_BAREMETAL_CONNECTOR="dummy").start()
    before = weir.log
    os.kill(weir.process.pid, signal.SIGTRAP)
    assert weir.process.wait(20) == -signal.SIGTRAP
    assert "Registers" not in weir.log and len(weir.log) - len(before) < 500


def test_a_wrong_user_disables_that_user_alone(new_weir):
    weir = new_weir()
    keys = [base64_text(private_key("mario", kind)) for kind in ("ed25519", "rsa")]
    users = weir.directory / "users.yaml"
    users.write_text((TESTBED / "etc/users.yaml").read_text().replace(*keys))
    users.chmod(0o600)
    weir.settings["WEIR_USERS_FILE"] = str(users)
    checked = weir.run("config")
    assert checked.returncode == 0 and "WEIR_USERS_FILE: a user cannot be served: " in checked.stderr, checked.stderr
    weir.start()
    assert " 1 user cannot be served; " in weir.log
    [warning] = weir.get("/ready").json()["warnings"]
    assert "mario" in warning and "RSA" in warning and "ed25519" in warning
    assert weir.submit().id
    answer = weir.try_submit(bearer=token("mario@example.com"))
    assert answer.status != 200 and "key" in answer.json()["error"], answer.body
    assert f"must correct the entry of {account('mario')} in the users file" in answer.json()["hint"]
