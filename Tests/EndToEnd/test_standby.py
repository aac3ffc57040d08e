"""What a Weir that waits for its turn answers, and how it takes over."""

import http.client
import os
import pathlib
import subprocess
import threading

import pytest
from harness import wait_until

DUMMY = {"JARVICE_BAREMETAL_CONNECTOR": "dummy", "WEIR_POLL_INTERVAL": "1", "WEIR_USERS_FILE": None}


class Callers:
    """Threads that ask for /live without a pause, each time over a new connection."""

    def __init__(self, weir, count: int = 3):
        self.weir, self.failures, self.answered, self.ended = weir, [], 0, threading.Event()
        self.threads = [threading.Thread(target=self.ask) for _ in range(count)]

    def ask(self):
        while not self.ended.is_set():
            connection = http.client.HTTPConnection(*self.weir.address, timeout=20)
            try:
                connection.request("GET", "/live")
                assert connection.getresponse().status == 200
                self.answered += 1
            except Exception as error:
                self.failures.append(repr(error))
            finally:
                connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()


def test_live_is_never_refused_while_a_standby_takes_over(new_weir):
    first = new_weir(**DUMMY).start()
    second = new_weir(**{**DUMMY, "WEIR_STATE_DIR": first.settings["WEIR_STATE_DIR"]}).start(ready=False)
    with Callers(second) as callers:
        wait_until(lambda: callers.answered > 50)
        first.kill()
        wait_until(lambda: "taking over" in second.log and second.log.count("listening on") == 2)
        known = callers.answered
        wait_until(lambda: callers.answered > known + 50)
    assert not callers.failures
    assert second.get("/ready").status == 200 and second.get("/running").status == 200
    assert second.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_weir_that_waits_for_its_disk_does_not_speak_of_another(new_weir, tmp_path):
    disk: pathlib.Path = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=16m,mode=700", "none", disk], check=True)
    try:
        weir = new_weir(**{**DUMMY, "WEIR_STATE_DIR": disk / "state"}).start(ready=False)
        answer = weir.get("/running")
        assert answer.status == 503 and answer.headers["retry-after"]
        assert answer.json()["code"] == "store_unavailable" and "in service" not in answer.json().get("hint", "")
        assert "cannot be written" in weir.get("/ready").json()["reasons"][0]
        assert weir.get("/ready", credentials="").json() == {"status": "BAD", "reasons": ["unavailable"]}
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        wait_until(lambda: weir.get("/ready").status == 200)
        assert weir.stop() == 0
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
