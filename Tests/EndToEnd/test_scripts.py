"""The upstream's script runs as written, whatever is in it."""

import hashlib
import json
import os
import subprocess

import pytest
from harness import IN_CONTAINER, base64_text, on_the_node, script

TEXTS = {
    "single quotes": """echo 'one' "it's" 'it'"'"'s' $'it\\'s'""",
    "lone dollars": """echo $ 'a$' "5$ and $" a$b '$HOME' "\\$HOME" $(echo '$x')""",
    "backslashes": r"""printf '%s\n' '\' '\\' "\\" '\n' "a\tb" \\ \' 'C:\dir\\'""",
    "braces": """f() { echo "{$1}" "${1}" '{{}}' {a,b}; }; f x; [ "${#1}" = 0 ] && { echo '}'; }""",
    "back quotes and history": """echo `echo one` '`' '!' "!x" '!!' a!b""",
    "percent and hash": """printf '%%s %s #%%\\n' '%d' # a comment ' with a quote\necho '#' '%' """,
    "umlauts and more": "echo 'äöü ß 漢字 😀 \u2028 \u00a0'",
    "carriage returns": "printf '%s' 'a\r\nb\r\n\r' | od -c",
    "here-document": "cat <<'END'\n'\"$x`\\\n\tEOF\nSBATCH\n  {}\nEND\ncat <<EOF\n$((1+1)) \\$x\nEOF",
    "line continuation": "echo one \\\n  two\necho 'three\n\n\nfour'",
    "leading and trailing blanks": "  echo ' x '  \n\t\techo \"\t\"\n\n\n",
}


def in_bash(text: str) -> list:
    """What real bash makes of it."""
    return subprocess.run(["bash", "-c", text], capture_output=True, check=True).stdout.decode().splitlines()


def test_any_text_runs_as_written_on_two_nodes(weir):
    jobs = {title: weir.submit(script(on_the_node(text)), nodes=2) for title, text in TEXTS.items()}
    for title, job in jobs.items():
        code, _, (output, _) = weir.end(job)
        assert code == 0, (title, output)
        # splitlines: some of the lines hold separators of their own
        ran = [line for line in output.splitlines() if line != "JARVICE_CMD_SUCCESS"][2:-1]
        assert sorted(ran) == sorted(in_bash(TEXTS[title]) * 2), title


def test_script_of_a_megabyte(weir):
    text = "'\"$`\\ 0123456789 äöü {}\n" * 36000
    body = on_the_node(f"md5sum <<'END'\n{text}END")
    assert len(body.encode()) > 1_000_000
    job = weir.submit(script(body), nodes=2)
    output = weir.end(job)[2][0]
    assert output.count(hashlib.md5(text.encode()).hexdigest()) == 2


def test_script_with_carriage_returns_in_its_needs(weir):
    """The needs stand in lines; how these end is the sender's affair."""
    head, body = script(on_the_node("echo body")).split("\n\n", 1)
    job = weir.submit(head.replace("\n", "\r\n") + "\r\n\n" + body)
    assert "body" in weir.end(job)[2][0]


def test_command_reaches_the_container_as_written(weir):
    command = """echo "it's" '$HOME' "\\\\" {a,b} 'ä' | tee /dev/stderr 2>/dev/null"""
    job = weir.submit(script(command=command))
    assert f"\n{in_bash(command)[0]}\n" in weir.end(job)[2][0]


@pytest.mark.parametrize(
    "line, column, body",
    [
        (1, 6, "echo {\n"),
        (1, 6, "echo }\n"),
        (2, 3, "äö\nab}\n"),
        (3, 1, "a\r\n{{}}\n{nobody}\n"),
        (1, 23, "{DOWNSTREAM_PARAMETERS!r}"),
    ],
    ids=["open", "closed", "second line", "unknown field", "conversion"],
)
def test_lone_brace_is_refused_with_its_place(weir, line, column, body):
    text = script(body)
    line += text[: -len(body)].count("\n")
    answer = weir.try_submit(text)
    assert answer.status == 422
    assert f"line {line}" in answer.error and f"column {column}" in answer.error, answer.error


@pytest.mark.parametrize(
    "lines, word",
    [
        ({"JOBOBJ_APPDEFVERSION": "1"}, "JOBOBJ_APPDEFVERSION"),
        ({"JOBOBJ_INTERACTIVE": "True"}, "JOBOBJ_INTERACTIVE"),
        ({"JOBOBJ_DEVICES": '["colour=red"]'}, "colour"),
        ({"JOBOBJ_DEVICES": "not JSON"}, "JOBOBJ_DEVICES"),
        ({"JOBOBJ_WALLTIME": "soon"}, "JOBOBJ_WALLTIME"),
        ({"JOBOBJ_GPUS": "-1"}, "JOBOBJ_GPUS"),
        ({"JOBOBJ_RAM": "much"}, "JOBOBJ_RAM"),
        ({"JARVICE_CPU_CORES": "0"}, "JARVICE_CPU_CORES"),
        ({"JOBOBJ_CTRSECRET": "%%%"}, "JOBOBJ_CTRSECRET"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_need_that_cannot_be_met_is_refused_by_name(weir, lines, word):
    answer = weir.try_submit(script(**lines))
    assert answer.status == 422, answer.body
    assert word.lower().removeprefix("jobobj_") in answer.error.lower(), answer.error


def test_devices_of_one_job_do_not_reach_the_next(weir):
    sizes = []
    for devices in ('["overlay=77", "exclusive=False"]', '["exclusive=False"]'):
        job = weir.submit(script(on_the_node("echo size $JARVICE_SINGULARITY_OVERLAY_SIZE."), JOBOBJ_DEVICES=devices))
        sizes.append(weir.end(job)[2][0])
    assert "size 77." in sizes[0] and "size 600." in sizes[1]


def test_devices_become_sbatch_options(weir, cluster):
    devices = '["partition=debug", "sbatch_nice=7", "exclusive=False"]'
    job = weir.submit(script(on_the_node("true"), JOBOBJ_DEVICES=devices, JOBOBJ_GPUS="1", JARVICE_CPU_CORES="2"))
    shown = weir.post("/events", job.args).json()
    for words in (
        "Partition=debug",
        "Nice=7",
        "NumCPUs=2",
        "gres:gpu:1",
        "TimeLimit=00:05:00",
        f"JobName=jarvice_{job.name}",
    ):
        assert words in shown, shown
    weir.end(job)


def docker_config(registry: str, user: str, password: str) -> str:
    return json.dumps({"auths": {registry: {"auth": base64_text(f"{user}:{password}")}}})


LOGIN = """
export SINGULARITY_DOCKER_USERNAME=$(echo $JARVICE_DOCKER_USERNAME | base64 -d)
export SINGULARITY_DOCKER_PASSWORD=$(echo $JARVICE_DOCKER_PASSWORD | base64 -d)
"""
CLOSED = "127.0.0.1:" + os.environ.get("TESTBED_REGISTRY_AUTH_PORT", "5056")


@pytest.mark.parametrize("line", ["JOBOBJ_CTRSECRET", "JOBOBJ_DOCKER_SECRET"])
def test_two_part_repository_keeps_its_credentials(weir, line):
    """host:port/app: the registry is what stands before the first slash."""
    secret = {
        "JOBOBJ_CTRSECRET": base64_text(docker_config(CLOSED, "jarvice", "secret")),
        "JOBOBJ_DOCKER_SECRET": json.dumps({"server": CLOSED, "username": "jarvice", "password": "secret"}),
    }[line]
    job = weir.submit(script(LOGIN + IN_CONTAINER, JOBOBJ_REPO=CLOSED + "/app:latest", **{line: secret}))
    code, _, (output, _) = weir.end(job)
    assert code == 0 and "app says hello from testbed" in output, output


def test_closed_registry_refuses_without_credentials(weir):
    job = weir.submit(script(JOBOBJ_REPO=CLOSED + "/app:latest"))
    assert weir.end(job)[0] == 1
