"""What fuzzing has learnt, in the repository: `record.py TARGET INPUTS LOG` writes the files of the directory INPUTS, which
libFuzzer has minimised, into Tests/Fuzz/corpus/TARGET.txt, and adds the run that LOG tells of to Tests/Fuzz/runs.txt and to
the table in docs/reliability.md."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parents[2]
RUNS = ROOT / "Tests/Fuzz/runs.txt"
PAGE = ROOT / "docs/reliability.md"
# A clone should not grow by what helps little: the smallest inputs first, up to this many bytes of text for a target.
LIMIT = 96 * 1024
BEGIN, END = "<!-- measured: fuzzing -->\n", "<!-- end -->\n"


def escaped(data: bytes) -> str:
    """One line that `printf %b` turns into these bytes."""
    names = {0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r", 0x09: "\\t"}
    return "".join(names.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}") for byte in data)


def write_corpus(target: str, inputs: pathlib.Path):
    lines, size = [], 0
    for data in sorted((file.read_bytes() for file in inputs.iterdir()), key=lambda data: (len(data), data)):
        line = escaped(data) + "\n"
        size += len(line)
        if size > LIMIT:
            break
        lines.append(line)
    (ROOT / f"Tests/Fuzz/corpus/{target}.txt").write_text("".join(lines))


def runs() -> dict:
    """Executions, edges and findings of each target so far."""
    lines = RUNS.read_text().splitlines() if RUNS.exists() else []
    return {words[0]: [int(word) for word in words[1:]] for words in (line.split() for line in lines[1:])}


def add_run(target: str, log: str):
    totals = runs()
    executions = int(re.search(r"stat::number_of_executed_units: *(\d+)", log)[1])
    edges = max((int(word) for word in re.findall(r"cov: (\d+)", log)), default=0)
    findings = int("SUMMARY: " in log)
    before = totals.get(target, [0, 0, 0])
    totals[target] = [before[0] + executions, edges, before[2] + findings]
    rows = [f"{name} {' '.join(map(str, numbers))}\n" for name, numbers in sorted(totals.items())]
    RUNS.write_text("target executions edges findings\n" + "".join(rows))
    table = ["| Target | Executions | Edges reached | Findings |\n", "|---|---|---|---|\n"]
    table += [f"| {name} | {n[0]:,} | {n[1]:,} | {n[2]} |\n" for name, n in sorted(totals.items())]
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + "".join(table) + END + rest.split(END, 1)[1])


target, inputs, log = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
write_corpus(target, inputs)
add_run(target, log.read_text(errors="replace"))
