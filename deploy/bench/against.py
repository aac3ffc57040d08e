#!/usr/bin/env python3
"""One part of deploy/bench.sh with two programs by turns, on the same machine.

    deploy/bench/against.py OTHER PROGRAM PART [ARGUMENT]...

OTHER comes first in each round. There are BENCH_AGAINST_ROUNDS rounds, 7 unless given. Every figure is printed. A row fails when
the median of PROGRAM is more than 5 % worse than that of OTHER, and each median is outside the other's interquartile range; then
the exit status is 1. Within a round the parts measure less often than alone, unless BENCH_TURNS and BENCH_ROUNDS say otherwise.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

BENCH = pathlib.Path(__file__).parents[1] / "bench.sh"
ROUNDS = int(os.environ.get("BENCH_AGAINST_ROUNDS", "7"))
WORSE = 1.05
# Processor time is counted in hundredths of a second.
LEAST = {"s": 0.02}
LESS = {"BENCH_TURNS": "1", "BENCH_ROUNDS": "20"}


def run(program: str, part: list) -> dict:
    """The figures of one run, by name and unit."""
    with tempfile.NamedTemporaryFile("r") as file:
        environment = {**LESS, **os.environ, "WEIR_BINARY": program, "BENCH_FIGURES": file.name}
        subprocess.run([BENCH, *part], env=environment, check=True, stdout=sys.stderr)
        rows = [json.loads(line) for line in file]
    figures = {(row["name"], row["unit"]): row["value"] for row in rows}
    assert len(figures) == len(rows) > 0, f"no figures, or two of one name: {rows}"
    return figures


def is_worse(other: list, own: list, unit: str) -> bool:
    if unit.endswith("/s"):  # of rates more is better
        other, own = ([-value for value in values] for values in (other, own))
    before, after = statistics.median(other), statistics.median(own)
    limit = before * WORSE if before > 0 else before / WORSE
    return after > max(limit, before + LEAST.get(unit, 0)) and after > quartiles(other)[1] and before < quartiles(own)[0]


def quartiles(values: list) -> tuple:
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def shown(values: list) -> str:
    first, third = quartiles(values)
    return f"{statistics.median(values):12.4g} {f'{first:.4g} to {third:.4g}':>22}"


def main(other: str, own: str, *part: str) -> int:
    programs = {"other": other, "this": own}
    seen = {who: [] for who in programs}
    for round in range(ROUNDS):
        for who, program in programs.items():
            print(f"round {round + 1} of {ROUNDS}: {program}", flush=True)
            seen[who].append(run(program, list(part)))
    failed = 0
    print(f"\n{'':50} {'other':>12} {'quartiles':>22} {'this':>12} {'quartiles':>22} {'ratio':>6}")
    for key in seen["other"][0]:
        before, after = ([figures[key] for figures in seen[who]] for who in programs)
        worse = is_worse(before, after, key[1])
        failed += worse
        ratio = statistics.median(after) / statistics.median(before) if statistics.median(before) else float("nan")
        print(f"{', '.join(key):50} {shown(before)} {shown(after)} {ratio:6.2f} {'FAILED' if worse else ''}".rstrip())
        for who, values in (("other", before), ("this", after)):
            print(f"    {who:6}" + "".join(f"{value:11.4g}" for value in values))
    few = "; fewer than 7 rounds prove nothing" if ROUNDS < 7 else ""
    print(f"\n{len(seen['other'][0])} rows, {failed} failed{few}")
    return int(failed > 0)


if __name__ == "__main__":
    if len(sys.argv) < 4 or ROUNDS < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
