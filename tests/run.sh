#!/usr/bin/env bash
# `make test`: brings what the tests need and runs all of them.
#   tests/run.sh [SUITE...]     unit, bad-input, access, vectors, clients, e2e, podman, streams, conformance,
#                               dying, packages, system; default all
# Docker and Podman run in a network namespace of their own (tests/testbed/host.sh), so nothing of this machine is touched.
. "$(dirname "$0")/testbed/lib.sh"
. "$(dirname "$0")/testbed/rust.sh"
. "$(dirname "$0")/testbed/verdicts.sh"
need_root "$@"
cd "$ROOT" || exit 1
export PATH="$HOME/.cargo/bin:$PATH"
bring_rust
chosen=" ${*:-unit bad-input access vectors clients e2e podman streams conformance dying packages system} "
want() { [[ $chosen == *" $1 "* ]]; }
bed=$ROOT/tests/testbed
HOST=k2d-unit

unit() {
    # Built outside, where crates can be fetched; run on the test host, where the engines are.
    cargo test --locked --no-run || return 1
    "$bed/host.sh" $HOST up docker podman || return 1
    "$bed/host.sh" $HOST images || return 1
    local docker podman
    docker=unix://$("$bed/host.sh" $HOST socket docker) podman=unix://$("$bed/host.sh" $HOST socket podman)
    "$bed/images.sh" --local --podman "$("$bed/host.sh" $HOST socket podman)" || return 1
    K2D_TEST_DOCKER=$docker K2D_TEST_PODMAN=$podman "$bed/host.sh" $HOST exec cargo test --locked --offline --no-fail-fast
}

trap '"$bed/host.sh" $HOST down' EXIT
trap 'exit 143' TERM INT
need cc=gcc curl=curl git=git make=make openssl=openssl
say "bringing kubectl and helm"
"$bed/clients.sh" 37 >/dev/null
"$bed/clients.sh" 30 >/dev/null

say "building"
try "the program builds" cargo build --locked
if [ "$FAILED" = 0 ]; then
    if want unit; then suite unit unit; fi
    export K2D_BIN=$ROOT/target/debug/k2d
    if want bad-input; then suite bad-input python3 tests/api/bad_input.py; fi
    if want access; then suite access python3 tests/api/access.py; fi
    if want vectors; then suite vectors python3 tests/vectors/run.py; fi
    if want clients; then suite clients python3 tests/clients/run.py; fi
    if want e2e; then suite e2e python3 tests/e2e/gateway.py; fi
    if want podman; then suite podman python3 tests/e2e/gateway.py --engine podman; fi
    if want streams; then suite streams python3 tests/e2e/streams.py; fi
    if want conformance; then suite conformance python3 tests/conformance/suite.py; fi
    if want dying; then suite dying python3 tests/dying/dying.py; fi
    unset K2D_BIN
    if want packages; then suite packages tests/packages/run.sh; fi
    if want system; then suite system python3 tests/system/package.py; fi
fi
summary
