"""What a part of deploy/bench.sh has measured of Weir, for against.py: a JSON object a line, in the file BENCH_FIGURES."""

import json
import os

FILE = os.environ.get("BENCH_FIGURES")


def note(name: str, unit: str, value: float):
    """Of rates (`/s`) more is better, of everything else less."""
    if FILE:
        with open(FILE, "a") as file:
            file.write(json.dumps({"name": name.strip(), "unit": unit, "value": value}) + "\n")
