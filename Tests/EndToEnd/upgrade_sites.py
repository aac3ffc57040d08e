"""Places where jobs run while Weir is upgraded: the connectors dummy, local, gpu and slurm, each with a Weir of its own."""

import http.client
import os
import pathlib
import random
import re
import shutil
import subprocess
import threading
import time

from conftest import Gate
from harness import BINARY, Cluster, Job, Weir, job_name, on_the_node, script, token, wait_until
from recorder import RecordedWeir
from recorder import script as dummy_text
from recorder import token as dummy_token
from rig import PATH, SUCCESS, GPUWeir, LocalWeir, Proxy, Rig, job_text
from stores import write_back
from test_evidence import Login
from test_gpu_former import command

OLD = pathlib.Path(os.environ.get("WEIR_OLD_BINARY", BINARY))
IS_RELEASED = "WEIR_OLD_BINARY" in os.environ


class Site:
    """A Weir with jobs, which are named after what becomes of them, and the place where they run."""

    seconds = 60  # until a job has ended
    proxy = None  # on the way to the backend
    runs_jobs = True

    def __init__(self, weir: Weir, shared: pathlib.Path):
        self.weir = weir
        # The jobs run as other accounts.
        self.runs = shared / f"runs-{job_name()}"
        self.runs.touch()
        self.runs.chmod(0o666)
        self.gate, self.early = Gate(shared), Gate(shared)
        self.jobs, self.requests = {}, {}

    # ------------------------------------------------------------ programs

    def use(self, program: pathlib.Path) -> None:
        self.weir.binary = program

    def end_old(self, how: str) -> None:
        """Stops or kills the old program."""
        if how == "killed":
            self.weir.kill()
        else:
            self.weir.process.terminate()
            # Of the 20 seconds that it waits for requests all may pass, where the network is cut.
            assert self.weir.process.wait(60) == 0, self.weir.log
        if not IS_RELEASED:
            write_back(self.weir.directory / "state")

    def start_new(self, kills: int = 0) -> None:
        """Starts the new program; before that it is killed so many times while it starts."""
        self.use(BINARY)
        self.check_store()
        for _ in range(kills):
            with open(self.weir.log_file, "ab") as log:
                starting = subprocess.Popen(
                    [self.weir.binary, "serve"], env=self.weir.environment, cwd=self.weir.directory, stdout=log, stderr=log
                )
            time.sleep(random.uniform(0, 0.2))
            starting.kill()
            starting.wait()
        self.weir.start()

    def finish(self) -> None:
        """Stops the new program, and looks at what it leaves."""
        assert self.weir.stop() == 0, self.weir.log
        self.check_store()
        copies = list((self.weir.directory / "state").glob("weir.sqlite.before-*"))
        assert all(copy.stat().st_size and copy.stat().st_mode & 0o777 == 0o600 for copy in copies)
        if not IS_RELEASED:
            return
        self.use(OLD)
        if copies:
            refused = self.weir.run("serve")
            assert refused.returncode == 1 and "weir.sqlite was changed by a newer Weir (" in refused.stderr, refused
            # The way back that the message names.
            (copy,) = copies
            for suffix in ("-wal", "-shm"):
                copy.with_name(f"weir.sqlite{suffix}").unlink(missing_ok=True)
            copy.replace(copy.with_name("weir.sqlite"))
        self.weir.start()
        assert self.weir.stop() == 0, self.weir.log

    def check_store(self) -> None:
        check = self.weir.run("store", "check")
        assert check.stdout.endswith(": no damage found\n"), check

    # ------------------------------------------------------------ jobs

    def text(self, body: str, **needs) -> str:
        """A script that runs this body, and succeeds if the body comes to its end."""
        raise NotImplementedError

    def request(self, role: str, body: str = "", held: bool = False, **needs) -> dict:
        text = self.text(f"echo {role} >>{self.runs}; echo out {role}\n{body}", **needs)
        more = {"held": True} if held else {}
        self.requests[role] = {"text": text, "name": job_name(), "bearer": self.bearer(), **more}
        return self.requests[role]

    def bearer(self) -> str:
        return self.weir.token()

    def submit(self, role: str, body: str = "", held: bool = False, **needs) -> Job:
        self.request(role, body, held, **needs)
        self.jobs[role] = self.send(role)
        return self.jobs[role]

    def send(self, role: str) -> Job:
        """Sends the request of a job, again and again while it is in doubt whether it was taken."""
        request = self.requests[role]
        answer = wait_until(lambda: (a := self.weir.try_submit(**request)).status != 503 and a, 90, 0.5)
        assert answer.status == 200, answer.body
        return Job(request["name"], answer.json()[0])

    def call(self, path: str, role: str):
        answer = self.weir.post(path, self.jobs[role].args)
        assert answer.status == 200, (role, answer.body, self.weir.log[-2000:])
        return answer.json()

    def await_end(self, role: str) -> None:
        """Waits for the end, and leaves its output unread."""
        wait_until(lambda: self.jobs[role].name not in self.weir.listed(), self.seconds)

    def await_runs(self, *roles: str) -> None:
        def run():
            listed = self.weir.listed()
            return all(listed.get(self.jobs[role].name) == "running" for role in roles) and self.has_run(*roles)

        wait_until(run, self.seconds)

    def has_run(self, *roles: str) -> bool:
        return set(roles) <= set(self.runs.read_text().split())

    def await_states(self, **expected: int) -> None:
        def states() -> bool:
            lines = re.findall(r'weir_jobs\{state="(\w+)"\} (\d+)', self.weir.get("/metrics").body.decode())
            seen.append({state: int(count) for state, count in lines if count != "0"})
            return seen[-1] == {state: count for state, count in expected.items() if count}

        seen = []
        try:
            wait_until(states, 20)
        except AssertionError:
            raise AssertionError(f"{seen[-1]} for {expected}: {self.weir.log[-2000:]}") from None

    # ------------------------------------------------------------ what the sites do in their own way

    def cut_starts(self) -> list:
        """Submits jobs whose start is cut, after Weir has taken them; returns their roles."""
        return []

    def cut_submits(self) -> list:
        """Sends submits that are cut before they are answered, and cuts the network; returns their roles."""
        return []

    def heal(self) -> None:
        """The network is whole again."""
        if self.proxy:
            self.proxy.heal()
            self.proxy.cut_all()
            self.proxy.unblock()

    def let_queued_run(self) -> None:
        """The queued job gets what it waits for, if the open gate is not enough."""

    def check_backend(self) -> None:
        """The backend has each job once."""

    def close(self) -> None:
        self.heal()
        self.gate.open()
        self.early.open()
        if self.weir.process and self.weir.process.poll() is None:
            self.weir.kill()


class LocalSite(Site):
    def __init__(self, rig: Rig):
        self.server = rig.server("alpha")
        # This machine may have fewer cores than the jobs take.
        cores = self.server.directory / "bin/getconf"
        cores.write_text("#!/bin/sh\necho 16\n")
        cores.chmod(0o755)
        super().__init__(LocalWeir(self.server, WEIR_CANCEL_GRACE=5, PATH=f"{cores.parent}:{PATH}"), rig.shared)

    def use(self, program):
        new = self.weir.directory / "program.new"
        shutil.copy(program, new)
        new.rename(self.weir.directory / "program")

    def text(self, body, gpus=0):
        return job_text(body + SUCCESS, gpus)

    def bearer(self):
        return "none"

    def close(self):
        super().close()
        self.server.end_all()


class GPUSite(Site):
    def __init__(self, rig: Rig, directory: pathlib.Path):
        self.alpha, self.distant = rig.server("alpha"), rig.server("distant")
        self.proxy, self.hold = self.distant.proxy, rig.shared / "hold"
        # templates/gpu/start.sh calls it once it has read all of its input.
        mkdir = self.distant.directory / "bin/mkdir"
        mkdir.write_text(
            f"#!/bin/sh\ncase $* in */attempt-*) while [ -e {self.hold} ]; do sleep 0.1; done ;; esac\n"
            'exec /bin/mkdir "$@"\n'
        )
        mkdir.chmod(0o755)
        super().__init__(GPUWeir(rig, directory, (self.alpha, self.distant), WEIR_CANCEL_GRACE=5), rig.shared)

    def text(self, body, gpus=0):
        return job_text(body + SUCCESS, gpus)

    def cut_starts(self):
        """The GPUs of the other server are taken, so these go to the distant one. A start has come there when the network is
        cut, and goes on unanswered; the next one does not come there."""
        self.hold.touch()
        job = self.submit("unanswered", gpus=1)
        wait_until(lambda: any(job.id in command(pid) for pid in self.distant.processes()))
        self.proxy.block()
        self.hold.unlink()
        wait_until(lambda: self.has_run("unanswered"))
        self.submit("unsent", gpus=1)
        return ["unanswered", "unsent"]

    def close(self):
        self.hold.unlink(missing_ok=True)
        super().close()
        for server in (self.alpha, self.distant):
            server.end_all()


class SlurmSite(Site):
    def __init__(self, cluster: Cluster, login: Login, directory: pathlib.Path, shared: pathlib.Path):
        self.cluster, self.login, self.hold = cluster, login, shared / "hold"
        login.programs.chmod(0o777)
        login.program("sbatch", f'while [ -e {self.hold} ]; do sleep 0.1; done; exec "$REAL" "$@"')
        self.proxy = Proxy(("127.0.0.1", login.start().port))
        login.port = self.proxy.port
        way = {name: login.settings[name] for name in ("JARVICE_SLURM_CLUSTER_PORT", "WEIR_SSH_KNOWN_HOSTS")}
        super().__init__(Weir(directory, WEIR_POLL_INTERVAL=1, WEIR_SUBMIT_DEADLINE=45, **way), shared)

    def text(self, body, gpus=0, **lines):
        return script(on_the_node(body), **lines)

    def bearer(self):
        return token()

    def submit(self, role, body="", held=False, **needs):
        if role in ("queued", "withdrawn"):
            needs["JOBOBJ_DEVICES"] = '["exclusive=False", "sbatch_begin=now+1hour"]'
        return super().submit(role, body, held, **needs)

    def cut_submits(self):
        """The sbatch of one is on the cluster when the network is cut, and goes on unanswered; the next one does not come there,
        which it takes the whole deadline to find out."""
        self.hold.touch()
        calls = self.login.calls("sbatch")
        self.send_aside("unanswered")
        wait_until(lambda: self.login.calls("sbatch") > calls)
        self.proxy.block()
        self.hold.unlink()
        wait_until(lambda: self.cluster.submissions(self.requests["unanswered"]["name"]))
        if not IS_RELEASED:
            return ["unanswered"]
        self.send_aside("unsent")
        return ["unanswered", "unsent"]

    def send_aside(self, role):
        def ignored():
            try:
                self.weir.try_submit(**request)
            except (OSError, http.client.HTTPException):
                pass

        request = self.request(role)
        threading.Thread(target=ignored, daemon=True).start()

    def let_queued_run(self):
        self.cluster.run("scontrol", "update", f"JobId={self.jobs['queued'].id}", "StartTime=now")

    def check_backend(self):
        for job in self.jobs.values():
            wait_until(lambda: self.cluster.submissions(job.name) == {job.id})

    def close(self):
        self.hold.unlink(missing_ok=True)
        super().close()
        self.proxy.close()


class DummySite(Site):
    """Its jobs go on by the clock: settings say for how long they run, so the program is restarted with others."""

    runs_jobs = False

    def __init__(self, directory: pathlib.Path):
        super().__init__(RecordedWeir(directory, JARVICE_DUMMY_JOB_RUNNING_TIME=1, WEIR_SUBMIT_DEADLINE=30), directory)

    def text(self, body):
        return dummy_text(body)

    def bearer(self):
        return dummy_token()

    def restart(self, **times: int) -> None:
        """Jobs run for other times, in seconds, and another percentage of them fails."""
        self.weir.stop()
        self.weir.settings |= {f"JARVICE_DUMMY_JOB_{name}": str(value) for name, value in times.items()}
        self.weir.start()
