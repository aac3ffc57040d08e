#!/usr/bin/env python3
"""Checks what each module imports: imports.py, run in the root of the repository.

- A module imports only the modules that MAY_IMPORT lists for it.
- Package.swift declares every module that it imports, and no other.
"""

import json
import pathlib
import re
import subprocess
import sys

# Part of the toolchain: every module may import these.
TOOLCHAIN = {"Dispatch", "Foundation", "FoundationEssentials", "Glibc", "Synchronization", "Testing", "XCTest"}

# The arrows of the design: the program -> APIs -> the jobs' heart <- connectors, and libraries that know nothing of jobs.
MAY_IMPORT = {
    "Support": {"CLibCrypto", "Logging"},
    "HTTP": {"CEpoll", "CZlib", "Support", "Logging"},
    "HTTPClient": {"CLibCurl", "Support"},
    "Shell": {"CEpoll", "CProcess", "Support", "Logging"},
    "SSH": {"CLibCrypto", "CLibSSH2", "Shell", "Support", "Logging"},
    "Archives": {"CZlib", "Support"},
    "JSON": {"Support"},
    "YAML": {"Yams"},
    "Templates": {"Mustache", "Support"},
    "Tokens": {"CLibCrypto", "CLibJWT", "HTTPClient", "JSON", "Support", "Logging"},
    "ScriptTemplates": {"Shell", "Templates"},
    "Callers": {"CLibCrypto", "HTTP", "Support", "Tokens", "Logging"},
    "Access": {"Support", "YAML", "Logging", "Yams"},
    "JobModel": set(),
    "JobStore": {"JobModel", "Support"},
    "JobStoreSQLite": {"CLibCrypto", "GRDB", "JobModel", "JobStore", "Support", "Logging"},
    "ConnectorAPI": {"JobModel", "Support"},
    "JobEngine": {"Archives", "CLibCrypto", "CProcess", "ConnectorAPI", "JobModel", "JobStore", "JSON", "Support", "Logging"},
    "ConnectorSupport": {"ConnectorAPI", "JobModel", "Shell", "Support"},
    "DummyConnector": {"ConnectorAPI", "ConnectorSupport", "JobModel", "Support"},
    "GPUConnector": {"ConnectorAPI", "ConnectorSupport", "JobModel", "ScriptTemplates", "Shell", "Support", "YAML", "Logging", "Yams"},
    "SlurmConnector": {"ConnectorAPI", "ConnectorSupport", "JobModel", "ScriptTemplates", "Shell", "Support", "Logging"},
    "LegacyAPI": {"Callers", "ConnectorAPI", "HTTP", "JSON", "JobModel", "JobEngine", "ScriptTemplates", "Support", "Templates"},
    "TestSupport": {"Logging"},
    "ConformanceRunner": {"ArgumentParser", "Conformance", "ConnectorAPI", "JobModel", "Logging", "weir"},
    "Conformance": {"Archives", "ConnectorAPI", "JobModel"},
    "weir": None,  # wires them all
    "WeirMain": {"weir"},
}

IMPORT = re.compile(r"(?m)^\s*(?:@\w+(?:\([^)]*\))? +)*(?:(?:public|package|internal|fileprivate|private) +)?"
                    r"import +(?:(?:struct|class|enum|protocol|func|var|let|typealias) +)?(\w+)")  # fmt: skip


def targets() -> list:
    described = subprocess.run(["swift", "package", "dump-package"], capture_output=True, text=True)
    if described.returncode != 0:
        sys.exit(f"swift package dump-package failed:\n{described.stderr}")
    return [target for target in json.loads(described.stdout)["targets"] if target["type"] in ("regular", "executable")]


def imports(target: dict) -> dict:
    """The modules that a target imports, each with a file that does."""
    folder = target.get("path") or "Sources/" + target["name"]
    found = {}
    for file in sorted(pathlib.Path(folder).rglob("*.swift")):
        for module in IMPORT.findall(file.read_text()):
            found.setdefault(module, file)
    return {module: file for module, file in found.items() if module not in TOOLCHAIN}


def faults(target: dict) -> list:
    name, found = target["name"], imports(target)
    declared = {(dependency.get("byName") or dependency.get("product") or dependency.get("target"))[0]
                for dependency in target["dependencies"]}  # fmt: skip
    wrong = [f"{found[module]}: {name} imports {module}, which Package.swift does not declare" for module in found.keys() - declared]
    wrong += [f"Package.swift: {name} declares {module} and does not import it" for module in declared - found.keys()]
    if name not in MAY_IMPORT:
        return [*wrong, f"{__file__}: MAY_IMPORT has no entry for the module {name}"]
    if MAY_IMPORT[name] is not None:
        wrong += [f"{found[module]}: {name} must not import {module}" for module in found.keys() - MAY_IMPORT[name]]
    return wrong


if __name__ == "__main__":
    known = targets()
    wrong = sorted(fault for target in known for fault in faults(target))
    names = {target["name"] for target in known}
    wrong += [f"{__file__}: there is no module {name}" for name in sorted(MAY_IMPORT.keys() - names)]
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)
