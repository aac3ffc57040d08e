"""What many calls cost, and that none is lost among them."""

import concurrent.futures
import random

from harness import job_name, on_the_node, script


def test_many_calls_cost_few_logins_and_none_fails(new_weir, cluster):
    before = {user: cluster.logins(user) for user in ("jarvice", "kirby", "mario")}
    weir = new_weir().start()
    text = script(on_the_node("true"))
    jobs = [weir.submit(text) for _ in range(4)]
    calls = (
        [lambda: weir.get("/running")] * 100
        + [lambda: weir.get("/queued")] * 100
        + [lambda: weir.post("/runstatus", random.choice(jobs).args)] * 100
        + [lambda: weir.get("/live")] * 40
        + [lambda: weir.get("/ready")] * 20
        + [lambda: weir.get("/gc")] * 20
        + [lambda: weir.request(random.choice(jobs), "tail")] * 40
        + [lambda: weir.post("/events", random.choice(jobs).args)] * 40
        + [lambda: weir.try_submit(text, name=job_name())] * 40
    )
    random.shuffle(calls)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = [answer.status for answer in pool.map(lambda call: call(), calls)]
    assert len(statuses) == 500 and set(statuses) == {200}
    cost = {user: cluster.logins(user) - count for user, count in before.items()}
    assert all(count <= 3 for count in cost.values()), cost
    assert weir.stop() == 0


def test_one_submission_sent_eight_times_at_once_is_one_job(weir, cluster):
    text, name = script(on_the_node("true")), job_name()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda _: weir.submit(text, name), range(8)))
    assert len({job.id for job in jobs}) == 1
    weir.end(jobs[0])
    assert cluster.submissions(name) == {jobs[0].id}
