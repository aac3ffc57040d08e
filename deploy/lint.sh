#!/bin/bash
# Checks the sources without building them: the format of the Swift files, the shell scripts, the imports of the modules
# (deploy/lint/imports.py), the links of the documentation (deploy/lint/links.py) and the words of texts for users
# (deploy/lint/words.py). Prints a line for each check, after what it found; the exit status is 0 only if all passed.
#   deploy/lint.sh [format | scripts | imports | links | words]...     only these checks
. "$(dirname "$0")/lib.sh"

format() { swift format lint --strict --recursive --parallel Package.swift Sources connectors templates Tests; }

scripts() {
  local files file failed=
  mapfile -t files < <(git ls-files -co --exclude-standard '*.sh')
  shellcheck -x "${files[@]}" .ci/run Tests/EndToEnd/nvidia-smi || failed=1
  # Templates: a word in the place of each value, and nothing in that of the marks of sections.
  mapfile -t files < <(git ls-files -co --exclude-standard '*.sh.mustache')
  for file in "${files[@]}"; do
    sed -E 's/\{\{[#^/!][^}]*\}\}//g; s/\{\{\{?[^}]*\}?\}\}/x/g' "$file" | shellcheck -s bash - || { echo "in $file"; failed=1; }
  done
  [ -z "$failed" ]
}

imports() { python3 deploy/lint/imports.py; }
links() { python3 deploy/lint/links.py; }
words() { python3 deploy/lint/words.py; }

checks=()
for argument; do
  case $argument in
    format | scripts | imports | links | words) checks+=("$argument") ;;
    -h | --help) usage; exit 0 ;;
    *) refuse "$argument" ;;
  esac
done
[ ${#checks[@]} -gt 0 ] || checks=(format scripts imports links words)

cd "$repository"
require_swift
install_packages git python3 shellcheck
failed=
for check in "${checks[@]}"; do
  say "lint: $check"
  if "$check" </dev/null; then echo "$check: passed"; else echo "$check: failed"; failed=1; fi
done
[ -z "$failed" ]
