#!/usr/bin/env bash
# `make bench`: the figures of the budgets, measured with a release build on a real Docker (a test host of its own).
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
python3 tests/bench/bench.py "$@"
exec python3 tests/bench/streams.py "$@"
