#!/bin/bash
# Checks the sources without building them: the format of the Swift files, the shell scripts, the imports of the modules
# (deploy/lint/imports.py) and the links of the documentation (deploy/lint/links.py). Prints a line for each check, after
# what it found; the exit status is 0 only if all passed.
#   deploy/lint.sh [format | scripts | imports | links]...     only these checks
. "$(dirname "$0")/lib.sh"

format() { swift format lint --strict --recursive --parallel Package.swift Sources connectors templates Tests; }

scripts() {
  local files
  mapfile -t files < <(git ls-files -co --exclude-standard '*.sh')
  shellcheck -x "${files[@]}" .ci/run Tests/EndToEnd/nvidia-smi
}

imports() { python3 deploy/lint/imports.py; }
links() { python3 deploy/lint/links.py; }

checks=()
for argument; do
  case $argument in
    format | scripts | imports | links) checks+=("$argument") ;;
    -h | --help) usage; exit 0 ;;
    *) refuse "$argument" ;;
  esac
done
[ ${#checks[@]} -gt 0 ] || checks=(format scripts imports links)

cd "$repository"
require_swift
install_packages git python3 shellcheck
failed=
for check in "${checks[@]}"; do
  say "lint: $check"
  if "$check" </dev/null; then echo "$check: passed"; else echo "$check: failed"; failed=1; fi
done
[ -z "$failed" ]
