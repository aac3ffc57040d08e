"""Login files of an account that change the meaning of what is run there: variables, functions, wrappers in front of the
path, for each login shell."""

import contextlib
import os
import pathlib
import shlex
import shutil

# Filters of what is asked, by the variables of squeue, sacct and scontrol.
ASKING = {
    "SQUEUE_USERS": "nobody", "SQUEUE_STATES": "SUSPENDED", "SQUEUE_PARTITION": "debug", "SQUEUE_ACCOUNT": "none",
    "SQUEUE_NAMES": "other", "SQUEUE_FORMAT": "%i", "SQUEUE_FORMAT2": "jobid", "SQUEUE_LICENSES": "matlab",
    "SQUEUE_QOS": "other", "SQUEUE_SORT": "-i", "SQUEUE_OTHER": "one\nexport SQUEUE_ALL=1", "SACCT_FORMAT": "jobid",
    "SACCT_LOCAL": "1", "SCONTROL_FUTURE": "1", "SLURM_TIME_FORMAT": "relative", "SLURM_BITSTR_LEN": "1",
    "SLURM_CLUSTERS": "elsewhere",
}  # fmt: skip
# A scancel that does nothing and reports success.
ACTING = {
    "SCANCEL_STATE": "SUSPENDED", "SCANCEL_PARTITION": "debug", "SCANCEL_NAME": "other", "SCANCEL_USER": "nobody",
    "SCANCEL_ACCOUNT": "none", "SCANCEL_BATCH": "1", "SCANCEL_FULL": "1", "SCANCEL_QOS": "other",
    "SCANCEL_WCKEY": "other", "SCANCEL_INTERACTIVE": "1",
}  # fmt: skip
# Several jobs for one submit, a submit that waits, output elsewhere.
SUBMITTING = {
    "SBATCH_ARRAY_INX": "0-1", "SBATCH_WAIT": "1", "SBATCH_ERROR": "/dev/null", "SBATCH_OUTPUT": "/dev/null",
    "SBATCH_INPUT": "/dev/null", "SBATCH_CLUSTERS": "elsewhere", "SBATCH_MEM_PER_CPU": "10", "SBATCH_TIMELIMIT": "1",
    "SBATCH_GRES": "gpu:9", "SBATCH_DEBUG": "3", "SBATCH_EXPORT": "NONE", "SBATCH_OPEN_MODE": "append",
    "SBATCH_SIGNAL": "KILL@60", "SBATCH_JOB_NAME": "other", "SLURM_UMASK": "0777",
}  # fmt: skip
# An srun inside the job that fails, or reads and writes elsewhere.
STEPS = {
    "SLURM_MEM_PER_CPU": "10", "SLURM_MEM_PER_GPU": "10", "SLURM_STDINMODE": "none", "SLURM_STDOUTMODE": "/dev/null",
    "SLURM_LABELIO": "1", "SLURM_EXCLUSIVE": "1", "SLURM_EXACT": "1", "SLURM_IMMEDIATE": "1", "SLURM_TEST_EXEC": "1",
    "SLURM_SRUN_MULTI": "1", "SLURM_WORKING_DIR": "/none", "SLURM_NTASKS": "3", "SLURM_NNODES": "3",
    "SLURM_JOB_ID": "1", "SLURM_HOSTFILE": "/none", "SLURM_OPEN_MODE": "append", "SLURM_DEBUG": "3",
    "SLURM_TASK_PROLOG": "/none", "SLURM_PROLOG": "/none", "SLURM_CONSTRAINT": "none",
    "SLURM_DEPENDENCY": "afterok:1", "SLURM_GPUS": "9", "SLURM_STEP_GRES": "gpu:9", "SLURM_CPU_BIND": "map_cpu:99",
    "SLURM_THREADS_PER_CORE": "9", "SRUN_INPUT": "/dev/null", "SRUN_OUTPUT": "/dev/null", "SRUN_ERROR": "/dev/null",
    "SRUN_CPUS_PER_TASK": "99", "SRUN_CONTAINER": "/none",
}  # fmt: skip
# What changes the shell's own commands. HOME stands for the home directory.
SHELL = {
    "CDPATH": ".:HOME/elsewhere:HOME", "GLOBIGNORE": "*", "POSIXLY_CORRECT": "1", "IFS": "/.", "ENV": "HOME/hostile/env",
    "BASH_ENV": "HOME/hostile/env", "LC_ALL": "C", "GREP_OPTIONS": "-v",
}  # fmt: skip
EVERYTHING = {**ASKING, **ACTING, **SUBMITTING, **STEPS, **SHELL}

WRAPPERS = ("squeue", "sacct", "scancel", "scontrol", "sbatch", "srun", "tee", "mktemp")
FILES = {"bash": ".bashrc", "zsh": ".zshenv", "fish": ".config/fish/config.fish", "csh": ".cshrc"}


def text(shell: str, variables: dict, home: pathlib.Path, has_wrappers: bool) -> str:
    """Login files that export this, in the shell's language; those of dash and BusyBox are not read by commands."""
    lines = []
    for name, value in variables.items():
        value = value.replace("HOME", str(home))
        if shell == "csh":
            lines.append(f"setenv {name} {shlex.quote(value.replace(chr(10), ' '))}")
        elif shell == "fish":
            lines.append(f"set -gx {name} {shlex.quote(value)}")
        else:
            lines.append(f"export {name}={shlex.quote(value)}")
    if has_wrappers:
        if shell == "csh":
            lines.append(f"setenv PATH {home}/hostile:$PATH")
        elif shell == "fish":
            lines.append(f"set -gx PATH {home}/hostile $PATH")
        else:
            lines.append(f"export PATH={home}/hostile:$PATH")
        if shell == "bash":
            for name in ("squeue", "sacct", "scancel", "scontrol", "sbatch", "srun", "tee", "sed"):
                lines.append(f'{name}() {{ echo function {name} >>"{home}/hijacked"; }}; export -f {name}')
    return "\n" + "\n".join(lines) + "\n"


@contextlib.contextmanager
def hostile(homes, shell: str = "bash", variables: dict = EVERYTHING, has_wrappers: bool = True):
    """Adds this to the login files of the accounts with these home directories until the end of the block."""
    kept = {}
    try:
        for home in homes:
            owner = home.stat()
            wrappers = home / "hostile"
            wrappers.mkdir()
            for name in WRAPPERS:
                (wrappers / name).write_text(f'#!/bin/sh\necho wrapper {name} >>"{home}/hijacked"\n')
                (wrappers / name).chmod(0o755)
            (wrappers / "env").write_text("weir_was_here=1\n")
            (home / "elsewhere/.jarvice").mkdir(parents=True)
            if shell not in FILES:
                continue
            file = home / FILES[shell]
            kept[file] = file.read_bytes() if file.exists() else None
            file.parent.mkdir(parents=True, exist_ok=True)
            added = text(shell, variables, home, has_wrappers).encode()
            file.write_bytes((kept[file] or b"") + added)
            for made in (file.parent, file):
                if made != home:
                    os.chown(made, owner.st_uid, owner.st_gid)
        yield
    finally:
        for file, content in kept.items():
            if content is None:
                file.unlink()
            else:
                file.write_bytes(content)
        for home in homes:
            for name in ("hostile", "elsewhere"):
                shutil.rmtree(home / name, ignore_errors=True)
            (home / "hijacked").unlink(missing_ok=True)


def hijacked(homes) -> list:
    """What a function or a wrapper of the account ran in place of a program."""
    return [(home / "hijacked").read_text() for home in homes if (home / "hijacked").exists()]
