"""State directories of release 0.1.0, kept as text in Tests/Fixtures/stores-0.1.0: one for each connector.

All share `schema.sql`. `NAME/rows.sql` holds the rows of one, `NAME/files/` its files, with `seal.key` in hexadecimal digits.
Each key was made for its store alone and protects nothing. `make_stores.py` makes them.
"""

import contextlib
import datetime
import hashlib
import os
import pathlib
import re
import shutil
import sqlite3
import tempfile

FIXTURES = pathlib.Path(__file__).parents[1] / "Fixtures/stores-0.1.0"
BOOT = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
NO_BOOT = "00000000-0000-4000-8000-000000000000"
TIME = re.compile(r"'(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})'")
FORM = "%Y-%m-%d %H:%M:%S.%f"

# Of the state directory: made by every start, of the moment, or large.
LEFT_OUT = ("weir.sqlite*", "lock", "seal.key", "known_hosts", "lib", "machines", "owners")
# The changes of the schema that 0.1.0 had made.
CHANGES = ("jobs", "retention", "placement", "inputs", "corrections", "limits")
# Stands for the name of this machine in a job root.
NO_MACHINE = "MACHINE"


def machine() -> str:
    """What templates/gpu/prepare.sh calls this machine."""
    host = os.uname().nodename
    files = [pathlib.Path(path) for path in ("/etc/machine-id", "/var/lib/dbus/machine-id")]
    id = next((file.read_text().split("\n")[0] for file in files if file.exists()), "")
    sum = hashlib.md5(f"{id} {host}\n".encode()).hexdigest()[:12]
    return f"{re.sub('[^A-Za-z0-9.-]', '_', host)[:64]}-{sum}"


# The last event of a job says the state that it is in.
EVENTS = """
INSERT INTO jobEvent (job, time, actor, "from", "to", source, reason)
  SELECT id, stateTime, 'weir', last, state, stateSource, reason
  FROM (SELECT *, (SELECT "to" FROM jobEvent WHERE job = job.id ORDER BY jobEvent.id DESC LIMIT 1) AS last FROM job)
  WHERE last != state;
"""


def save(name: str, state: pathlib.Path, changes: str = "") -> None:
    """Writes the state directory of a stopped Weir as text.

    `changes` are SQL statements that make the states that no running Weir can be stopped in.
    """
    directory = FIXTURES / name
    shutil.rmtree(directory, ignore_errors=True)
    with tempfile.TemporaryDirectory() as copy:
        for file in state.glob("weir.sqlite*"):
            if not file.name.endswith("-shm"):
                shutil.copy(file, copy)
        database = sqlite3.connect(pathlib.Path(copy) / "weir.sqlite")
        database.executescript(changes + EVENTS)
        lines = [line.replace(BOOT, NO_BOOT) for line in database.iterdump()]
        database.close()
    rows = [line for line in lines if line.startswith(("INSERT INTO", "DELETE FROM"))]
    schema = [line for line in lines if line not in rows and line not in ("BEGIN TRANSACTION;", "COMMIT;")]
    made = datetime.datetime.now(datetime.timezone.utc).strftime(FORM)[:-3]
    write(FIXTURES / "schema.sql", "\n".join(schema) + "\n")
    write(directory / "rows.sql", f"-- made at '{made}'\n" + "\n".join(rows) + "\n")
    write(directory / "files/seal.key.hex", (state / "seal.key").read_bytes().hex() + "\n")
    for file in sorted(state.rglob("*")):
        path = file.relative_to(state)
        left_out = any(pathlib.PurePath(part).match(pattern) for part in path.parts for pattern in LEFT_OUT)
        if left_out or file.is_symlink() or not file.is_file():
            continue
        text = file.read_bytes().decode().replace(BOOT, NO_BOOT)
        write(directory / "files" / path, re.sub(rf"@{re.escape(machine())}$", f"@{NO_MACHINE}", text))


def write(file: pathlib.Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, newline="")


def restore(name: str, state: pathlib.Path) -> list:
    """Makes a state directory as if it was written a moment ago.

    The name, number, id and state of each job are returned.
    """
    shutil.copytree(FIXTURES / name / "files", state)
    key = state / "seal.key.hex"
    (state / "seal.key").write_bytes(bytes.fromhex(key.read_text()))
    key.unlink()
    rows = (FIXTURES / name / "rows.sql").read_text()
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    passed = now - datetime.datetime.strptime(TIME.search(rows)[1], FORM)

    def later(found: re.Match) -> str:
        return f"'{(datetime.datetime.strptime(found[1], FORM) + passed).strftime(FORM)[:-3]}'"

    for file in state.glob("local/jobs/**/*"):
        if file.is_file():
            text = file.read_text().replace(f"@{NO_MACHINE}", f"@{machine()}")
            # Seconds since 1970.
            seconds = round(passed.total_seconds())
            file.write_text(re.sub(r"\b1[789]\d{8}\b", lambda found: str(int(found[0]) + seconds), text))
    database = sqlite3.connect(state / "weir.sqlite")
    with released(database):
        database.executescript(f"BEGIN;\n{TIME.sub(later, rows)}\nCOMMIT;")
    jobs = database.execute("SELECT name, number, coalesce(backendID, id), state FROM job ORDER BY id").fetchall()
    database.close()
    for path in (state, *state.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return jobs


@contextlib.contextmanager
def released(database: sqlite3.Connection):
    """The tables of 0.1.0, which the block fills. Indexes and triggers come last: what triggers would write, the block does."""
    schema = (FIXTURES / "schema.sql").read_text()
    tables, rest = re.split(r"(?m)^(?=CREATE (?:INDEX|TRIGGER))", schema, maxsplit=1)
    database.executescript(tables)
    yield database
    database.executescript(rest)


def write_back(state: pathlib.Path) -> None:
    """Writes the database of a Weir of today, which does not run, in the tables of 0.1.0, as if that release had made it.

    A table whose columns are all in today's table of the same name is copied. `from-today.sql` beside schema.sql makes the
    others; today's database is attached there as `today`.
    """
    file, new = state / "weir.sqlite", state / "weir.sqlite.old"
    owner = file.stat()
    own = FIXTURES / "from-today.sql"
    statements = own.read_text() if own.exists() else ""
    new.unlink(missing_ok=True)
    database = sqlite3.connect(new)
    database.execute("ATTACH ? AS today", (str(file),))
    with released(database):
        today = columns_by_table(database, "today")
        database.executescript(f"BEGIN;\n{statements}\nCOMMIT;")
        for table, columns in columns_by_table(database).items():
            if re.search(rf'(?i)INSERT INTO (main\.)?"?{table}"?[ (]', statements):
                continue
            missing = set(columns) - set(today.get(table, []))
            assert not missing, f"{own} has to make {table}: today's has no {', '.join(sorted(missing))}"
            names = ", ".join(f'"{column}"' for column in columns)
            database.execute(f'INSERT INTO main."{table}" ({names}) SELECT {names} FROM today."{table}"')
        marks = ", ".join("?" * len(CHANGES))
        database.execute(f"DELETE FROM main.grdb_migrations WHERE identifier NOT IN ({marks})", CHANGES)
    database.execute("DETACH today")
    database.execute("PRAGMA journal_mode = WAL")
    database.close()
    for suffix in ("", "-wal", "-shm"):
        pathlib.Path(f"{file}{suffix}").unlink(missing_ok=True)
    new.rename(file)
    for path in state.glob("weir.sqlite*"):
        os.chown(path, owner.st_uid, owner.st_gid)
        path.chmod(0o600)


def columns_by_table(database: sqlite3.Connection, schema: str = "main") -> dict:
    names = database.execute(f"SELECT name FROM {schema}.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {
        name: [row[1] for row in database.execute(f'PRAGMA {schema}.table_info("{name}")')] for (name,) in names.fetchall()
    }
