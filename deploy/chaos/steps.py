"""The named steps of a job's life at which a Weir that was built for it can be killed."""

import os
import pathlib
import re

from harness import REPOSITORY

# A Weir that was built with WEIR_CHECKPOINTS=1.
BINARY = pathlib.Path(os.environ.get("WEIR_CHAOS_BINARY", REPOSITORY / ".build/chaos/debug/weir"))


def points(connector: str = "slurm") -> list:
    """The named steps, as the sources have them; the program must have them too."""
    assert BINARY.exists(), f"no program at {BINARY}: WEIR_CHECKPOINTS=1 swift build --scratch-path .build/chaos"
    program, found = BINARY.read_bytes(), set()
    for folder in ("Sources", f"connectors/{connector}"):
        for file in (REPOSITORY / folder).rglob("*.swift"):
            found.update(re.findall(r'Checkpoint\.reach\("([^"]+)"', file.read_text()))
    missing = sorted(name for name in found if name.encode() + b"\0" not in program)
    assert b"CHECKPOINT_KILL_AT" in program and not missing, f"{BINARY} was built without checkpoints {missing}"
    return sorted(found)
