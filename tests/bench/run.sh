#!/usr/bin/env bash
# `make bench`: the figures of the budgets, measured with a release build: of the API by itself (api.py), and of pods on a
# real Docker, on a test host of its own (bench.py).
#   tests/bench/run.sh [--quick]      without the idle minute and with 30 instead of 100 pods, to try the bench itself
. "$(dirname "$0")/../testbed/lib.sh"
. "$(dirname "$0")/../testbed/rust.sh"
need_root "$@"
cd "$ROOT" || exit 1
export PATH="$HOME/.cargo/bin:$PATH"
bring_rust
need cc=gcc python3=python3
say "building the release"
cargo build --release --locked --quiet
export K2D_BIN=$ROOT/target/release/k2d
status=0
say "the API"
python3 tests/bench/api.py "$@" || status=1
say "pods on a real Docker"
python3 tests/bench/bench.py "$@" || status=1
say "streams on a real Docker"
python3 tests/bench/streams.py "$@" || status=1
exit $status
