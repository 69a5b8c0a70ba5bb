#!/usr/bin/env bash
# `make lint`: every check runs, each says PASS or FAIL, the last line counts them.
. "$(dirname "$0")/../testbed/lib.sh"
. "$(dirname "$0")/../testbed/rust.sh"
. "$(dirname "$0")/../testbed/verdicts.sh"
cd "$ROOT" || exit 1
export PATH="$HOME/.cargo/bin:$PATH"
bring_rust

[ "$(id -u)" = 0 ] && { need shellcheck=shellcheck cc=gcc python3=python3 || true; }
mapfile -t scripts < <(git ls-files | while read -r file; do head -c 40 "$file" 2>/dev/null | grep -aqE '^#!.*\b(ba|da|)sh\b|^# shellcheck shell' && echo "$file"; done)
mapfile -t pythons < <(git ls-files '*.py')

cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || rustup component add rustfmt clippy >"$(log_of rustup)" 2>&1 || true
try "formatting" cargo fmt --check -- -l --color never
try "clippy" cargo clippy --color never --quiet --all-targets --locked -- -D warnings
if have cargo-deny; then try "licences and advisories" cargo deny --log-level error check licenses bans sources
else try "licences" python3 tests/lint/licences.py; fi
if have shellcheck; then try "shell scripts" shellcheck -x -S warning "${scripts[@]}"; else echo "SKIP shell scripts: no shellcheck here"; fi
try "Python scripts" python3 -c 'import ast, sys; [ast.parse(open(name).read(), name) for name in sys.argv[1:]]' "${pythons[@]}"
try "unit files" tests/lint/units.sh
summary
