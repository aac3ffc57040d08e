"""An upstream that keeps accounts: what it was answered for each job, and in the end what Slurm has of it."""

import collections
import http.client
import itertools
import json
import shutil
import threading
import time
import uuid

from harness import Cluster, Weir, job_name, on_the_node, script, settings, token

# The account on the cluster of the user who submits.
ACCOUNT = "kirby" + settings()["JARVICE_SLURM_SSH_USER"].removeprefix("jarvice")


class Tokens:
    """A bearer token, made anew before it expires: signing one takes a process."""

    def __init__(self):
        self.lock = threading.Lock()
        self.text, self.made = "", 0.0

    def get(self) -> str:
        with self.lock:
            if not self.text or time.monotonic() - self.made > 1800:
                self.text, self.made = token(), time.monotonic()
            return self.text


tokens = Tokens()


class Order:
    """A job that the upstream wants run, and what it was answered."""

    def __init__(self, kind: str, text: str, held: bool = False):
        # plain, long (to be canceled), held (to be released), impossible (Slurm refuses it), failing (to be taken, and
        # to fail before it runs)
        self.kind = kind
        self.name = job_name()
        self.text = text
        self.held = held
        self.answer = None  # the body of the first 200
        self.refused = False
        self.end = None
        self.last = "nothing"  # what /submit, or later /exitstatus, said last
        self.made = time.monotonic()

    @property
    def id(self) -> str:
        return json.loads(self.answer)[0]

    @property
    def args(self) -> dict:
        return {"name": self.name, "number": 1, "jobid": self.id}


class Upstream:
    """Submits to one Weir until each job is answered, and asks until each has ended."""

    def __init__(self, cluster: Cluster, weir: Weir):
        self.cluster = cluster
        self.weir = weir
        self.began = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - 60))
        self.orders = []
        self.numbers = itertools.count()
        self.faults = []  # sentences: each is a broken promise
        self.directory = cluster.home(ACCOUNT) / f"chaos-{uuid.uuid4().hex[:8]}"
        self.directory.mkdir()
        self.directory.chmod(0o777)

    def clean(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def order(self, kind: str = "plain") -> Order:
        number = next(self.numbers)
        lines = {}
        # Each run of a job leaves a line of its own.
        body = f'echo "$SLURM_JOB_ID" >> {self.directory}/{number}'
        if kind == "long":
            body += "; sleep 7000"
            lines["JOBOBJ_WALLTIME"] = "02:00:00"
        if kind == "impossible":
            lines["JOBOBJ_RAM"] = "9000"
        order = Order(kind, script(on_the_node(body), **lines), kind == "held")
        order.file = self.directory / str(number)
        self.orders.append(order)
        return order

    def submit(self, order: Order) -> int:
        """The status of the answer; 0 when there was none."""
        more = {"held": True} if order.held else {}
        try:
            answer = self.weir.try_submit(order.text, order.name, bearer=tokens.get(), **more)
        except (OSError, http.client.HTTPException) as error:
            order.last = repr(error)
            return 0
        order.last = f"{answer.status} {answer.body[:300]}"
        if answer.status == 200:
            if order.answer is None:
                order.answer = answer.body
            elif order.answer != answer.body:
                self.faults.append(f"{order.name}: answered {answer.body[:40]} after {order.answer[:40]}")
        elif answer.status == 422 and order.kind == "impossible":
            order.refused = True
        elif answer.status != 503:
            self.faults.append(f"{order.name}: submit answered {answer.status} {answer.body[:200]}")
        return answer.status

    def ask(self, order: Order) -> bool:
        """Whether the job is over, as /exitstatus tells."""
        try:
            answer = self.weir.post("/exitstatus", order.args)
        except (OSError, http.client.HTTPException) as error:
            order.last = repr(error)
            return False
        order.last = f"{answer.status} {answer.body[:300]}"
        if answer.status == 404:
            self.faults.append(f"{order.name}: forgotten")
            return False
        if answer.status == 410 and order.end is None:
            # The first answer was lost with the Weir that gave it, and its time is over.
            order.end = answer.json()
            return True
        if answer.status != 200:
            return False
        end = answer.json()
        if order.end is not None and order.end != end:
            self.faults.append(f"{order.name}: ended as {end}, and before as {order.end}")
        order.end = end
        expected = {"long": -15, "impossible": 1, "failing": 1}.get(order.kind, 0)
        if end[0] != expected:
            self.faults.append(f"{order.name}: ended with {end[0]}, not {expected}: {str(end)[:200]}")
        return True

    def act(self, order: Order, path: str) -> int:
        try:
            return self.weir.post(path, order.args).status
        except (OSError, http.client.HTTPException):
            return 0

    # ------------------------------------------------------------ the end

    def settle(self, seconds: float = 90):
        """Submits again what was not answered, waits for every end, until none of it has come for that long."""
        deadline, left = time.monotonic() + seconds, 2 * len(self.orders) + 1
        while True:
            unanswered = [order for order in self.orders if order.answer is None and not order.refused]
            living = [order for order in self.orders if order.answer is not None and order.end is None]
            # A round takes its time: with a thousand jobs, more than may pass without progress.
            if 2 * len(unanswered) + len(living) < left:
                deadline, left = time.monotonic() + seconds, 2 * len(unanswered) + len(living)
            if left == 0:
                return
            if time.monotonic() > deadline:
                break
            for order in unanswered:
                self.submit(order)
            for order in living:
                if order.held:
                    self.act(order, "/release")
                if order.kind == "long":
                    self.act(order, "/terminate")
                self.ask(order)
            time.sleep(0.3)
        for order in self.orders:
            if order.answer is None and not order.refused:
                self.faults.append(f"{order.name}: never answered: {order.last}")
            elif order.answer is not None and order.end is None:
                self.faults.append(f"{order.name}: never ended: {order.last}")

    def records(self) -> dict:
        """Slurm's own record: the ids of every job that a name ever was submitted as."""
        found = collections.defaultdict(set)
        queue = self.cluster.run("squeue", "-h", "-t", "all", "-o", "%A %j")
        history = self.cluster.run(
            "sacct", "-X", "-n", "-P", "-a", "--duplicates", "--delimiter= ", "-o", "JobIDRaw,JobName", "-S", self.began
        )
        for line in queue.splitlines() + history.splitlines():
            # The name of another job may hold line ends.
            id, _, name = line.partition(" ")
            found[name.removeprefix("jarvice_")].add(id)
        return found

    def count(self) -> "Tally":
        """Lost and doubled jobs, by Slurm's record and by the lines that the jobs themselves wrote."""
        deadline = time.monotonic() + 20
        while True:
            records = self.records()
            tally = Tally(jobs=len(self.orders))
            for order in self.orders:
                runs = order.file.read_text().split() if order.file.exists() else []
                ids = records.get(order.name, set())
                if order.kind in ("impossible", "failing"):
                    # Slurm records every submit that it refuses, too: as a failed job, without a run.
                    if runs:
                        tally.doubled.append(f"{order.name}: cannot be, and ran {runs}")
                elif len(ids) > 1 or len(runs) > 1:
                    tally.doubled.append(f"{order.name}: {sorted(ids)}, runs {runs}")
                elif order.answer is not None and (ids != {order.id} or (not runs and order.kind != "long")):
                    tally.lost.append(f"{order.name}: answered {order.id}, Slurm has {sorted(ids)}, runs {runs}")
            # Accounting learns of a job some seconds late.
            if not tally.lost or time.monotonic() > deadline:
                return tally
            time.sleep(1)


class Tally:
    def __init__(self, jobs: int = 0):
        self.jobs = jobs
        self.lost, self.doubled = [], []
