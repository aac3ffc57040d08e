"""Weir is killed at any moment: no job is lost, forgotten or run twice."""

import http.client
import random
import threading
import time

from harness import Job, job_name, on_the_node, script, wait_until


def test_killed_weir_knows_its_jobs_again(new_weir, cluster, gate):
    weir = new_weir().start()
    ended = weir.submit(script(on_the_node("echo ended before")))
    end = weir.end(ended)
    waiting = script(on_the_node(f"{gate.wait}; echo ended after"))
    running = [weir.submit(waiting, nodes=nodes) for nodes in (1, 2)]
    failing = weir.submit(script(f"{gate.wait}\n/bin/echo JARVICE_CMD_FAILURE\n"))
    queued = weir.submit(script(on_the_node("true"), JOBOBJ_DEVICES='["sbatch_begin=now+1hour"]'))
    wait_until(lambda: all(weir.runs(job) for job in (*running, failing)))
    passing = weir.submit(script(on_the_node("sleep 1; echo ended between")))
    weir.kill()
    time.sleep(2)  # passing ends while nobody looks
    weir.start()
    listed = weir.listed()
    assert {listed[job.name] for job in (*running, failing)} == {"running"} and listed[queued.name] == "queued"
    assert weir.end(ended) == end
    assert weir.end(passing)[0] == 0
    gate.open()
    for job in running:
        code, _, (output, state) = weir.end(job)
        assert code == 0 and "ended after" in output and " CD " in state
    code, _, (_, state) = weir.end(failing)
    assert code == 1 and " F " in state
    assert weir.post("/terminate", queued.args).json() is True
    assert weir.end(queued)[0] == -15
    for job in (ended, passing, failing, queued, *running):
        assert cluster.submissions(job.name) == {job.id}


def test_end_that_came_while_weir_was_down_is_told_with_its_output(new_weir):
    weir = new_weir().start()
    job = weir.submit(script(on_the_node("sleep 1; echo unseen")))
    weir.stop()
    time.sleep(3)
    weir.start()
    code, _, (output, _) = weir.end(job)
    assert code == 0 and "unseen" in output


def test_submission_cut_off_anywhere_makes_one_job(new_weir, cluster):
    """Killed in the middle of submissions, again and again; the upstream sends again what was not answered."""
    weir = new_weir(WEIR_SUBMIT_DEADLINE=30).start()
    text = script(on_the_node("true"))
    rounds = 10
    names = {round: [job_name() for _ in range(6)] for round in range(rounds)}
    answered = {}

    def send(round):
        for name in names[round]:
            try:
                answer = weir.try_submit(text, name)
            except (OSError, http.client.HTTPException):
                continue
            if answer.status == 200:
                answered[name] = answer.json()[0]

    for round in range(rounds):
        senders = [threading.Thread(target=send, args=(round,)) for _ in range(2)]
        for sender in senders:
            sender.start()
        time.sleep(random.uniform(0, 0.25))
        weir.kill()
        for sender in senders:
            sender.join()
        weir.start()

    for name in (name for round in range(rounds) for name in names[round]):
        # Whether a submission was taken may take a while to find out; until then the answer is 503.
        answer = wait_until(lambda: (a := weir.try_submit(text, name)).status != 503 and a, 60, 0.5)
        assert answer.status == 200, answer.body
        id = answer.json()[0]
        assert answered.setdefault(name, id) == id
    for name, id in answered.items():
        assert weir.end(Job(name, id), 60)[0] == 0
    wait_until(lambda: all(cluster.submissions(name) for name in answered), 20, 1)
    assert {name: cluster.submissions(name) for name in answered} == {name: {id} for name, id in answered.items()}


def test_stopped_weir_ends_with_status_0_and_answers_what_is_under_way(new_weir):
    weir = new_weir().start()
    answers = []
    senders = [
        threading.Thread(target=lambda: answers.append(weir.try_submit(script(on_the_node("true"))))) for _ in range(4)
    ]
    for sender in senders:
        sender.start()
    time.sleep(0.05)
    assert weir.stop() == 0
    for sender in senders:
        sender.join()
    assert answers and {answer.status for answer in answers} <= {200, 503}
