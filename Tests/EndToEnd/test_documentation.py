"""The documentation: commands that a page marks with `<!-- run: NAME -->` print what the next block after `<!-- prints -->`
shows, and the error texts in docs/troubleshooting.md are texts of the program.

`<!-- run -->` goes on with the commands before it. Compared are the lines of JSON, without ids and times.
"""

import re
import subprocess

import pytest
from gpu_fixtures import no_jobs_left, timed_out  # noqa: F401, no cluster is needed here
from harness import REPOSITORY
from recorder import NobodysWeir

PAGES = ["README.md", "docs/getting-started.md"]
BLOCK = re.compile(r"<!-- (run(?:: (?P<name>[\w ]+))?|prints) -->\n```\n(?P<text>.*?)```\n", re.DOTALL)


def scenes() -> list:
    """Each run of a page: its name, and its commands with what they print."""
    found = []
    for page in PAGES:
        for block in BLOCK.finditer((REPOSITORY / page).read_text()):
            if block["name"]:
                found.append((f"{page}: {block['name']}", []))
            kind = "run" if block[1].startswith("run") else "prints"
            found[-1][1].append((kind, block["text"]))
    return found


def comparable(output: str) -> list:
    lines = [line for line in output.splitlines() if line.startswith("[") or line == "true"]
    # A job that was submitted a moment ago may not have its machine yet.
    text = "\n".join(lines).replace('[["local"],', "[[],")
    return re.sub(r"\b01[0-9A-Z]{24}\b", "ID", re.sub(r"\d\d:\d\d:\d\d", "TIME", text)).splitlines()


@pytest.mark.parametrize("name, blocks", scenes(), ids=lambda value: value if isinstance(value, str) else "")
def test_commands_print_what_the_page_shows(name, blocks, tmp_path):
    tokens = dict.fromkeys(["WEIR_JWT_KEY_FILE", "WEIR_JWT_ALGORITHMS", "WEIR_JWT_ISSUER", "WEIR_JWT_AUDIENCE"])
    local = {"JARVICE_BAREMETAL_CONNECTOR": "local", "JARVICE_SCHED_SERVER_KEY": "me:secret", **tokens}
    weir = NobodysWeir(tmp_path, **local).start()
    try:
        commands = "".join(text for kind, text in blocks if kind == "run")
        commands = commands.replace("http://127.0.0.1:5000", f"http://127.0.0.1:{weir.address[1]}")
        done = subprocess.run(["bash", "-e"], input=commands, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        shown = "".join(text for kind, text in blocks if kind == "prints")
        assert comparable(done.stdout) == comparable(shown), done
    finally:
        weir.stop()


def test_pages_have_commands_to_run():
    assert [name for name, _ in scenes()] == ["README.md: first job", "docs/getting-started.md: this machine"]


def texts() -> str:
    """All string literals of the program, as they are printed, and its shell scripts."""
    found = []
    for directory in ["Sources", "connectors", "templates"]:
        for file in sorted((REPOSITORY / directory).rglob("*")):
            if file.suffix in (".swift", ".sh"):
                text = file.read_text()
                text = re.sub(r'"\s*\n\s*\+ "', "", text)  # a literal that goes on in the next line
                text = re.sub(r"\\\n\s*", "", text)
                found.append(text)
    return "\n".join(found)


def parts(message: str) -> list:
    """What is fixed in a message: `<host>` stands for what differs from case to case."""
    return [part.strip() for part in re.split(r"<[^<>]*>", message) if len(part.strip()) > 3]


def test_messages_in_troubleshooting_are_messages_of_the_program():
    # A message is a line of its own in a block without a language.
    language, messages = None, []
    for line in (REPOSITORY / "docs/troubleshooting.md").read_text().splitlines():
        if line.startswith("```"):
            language = line[3:] if language is None else None
        elif language == "" and line:
            messages.append(line)
    assert len(messages) > 50
    known = texts()
    unknown = [(part, message) for message in messages for part in parts(message) if part not in known]
    assert not unknown, "\n".join(f"{part} | {message}" for part, message in unknown)


def test_the_page_on_the_api_has_every_error_code():
    page = (REPOSITORY / "docs/legacy-api.md").read_text()
    sources = "\n".join(file.read_text() for file in sorted((REPOSITORY / "Sources").rglob("*.swift")))
    codes = set(re.findall(r'\bcode(?:: | = |": )"([a-z_]+)"', sources))
    assert {"unauthorized", "standby", "job_exists", "bearer_refused"} <= codes
    # No call of this API switches protocols.
    assert sorted(code for code in codes - {"upgrade_required"} if f"`{code}`" not in page) == []
