#!/usr/bin/env bash
# `make stop`: takes the gateway application away, then ends what `make run` started: k2d, and dockerd or podman where
# run started them. State in /var/lib/k2d and an installed k2d.service stay as they are.
#   stop.sh --only-k2d     ends just the k2d that run started; containers go on
. "$(dirname "$0")/lib.sh"
if [ "$(id -u)" != 0 ]; then exec sudo "$0" "$@"; fi
RUN=/run/k2d-run

gone() { [ ! -d "/proc/$1" ] || grep -q '^State:[[:space:]]Z' "/proc/$1/status"; }
end() { # PIDFILE NAME: ends the process if it is still the one of that name
    local pid
    [ -s "$1" ] || return 0
    pid=$(cat "$1")
    rm -f "$1"
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] || return 0
    say "ending $2"
    kill "$pid" 2>/dev/null || return 0
    until_true 20 gone "$pid" || kill -9 "$pid" 2>/dev/null || true
}

if [ "${1:-}" != --only-k2d ] && [ -s "$RUN/k2d.pid" ] && ! gone "$(cat "$RUN/k2d.pid")"; then
    kubectl=kubectl
    have kubectl || kubectl=$CACHE/kubectl-1.37/kubectl
    say "kubectl delete -f examples/gateway"
    "$kubectl" --kubeconfig /var/lib/k2d/admin.kubeconfig delete -f "$ROOT/examples/gateway" --ignore-not-found --timeout=120s \
        || warn "not everything could be deleted; the containers that are left: docker ps"
fi
end "$RUN/k2d.pid" k2d
[ "${1:-}" = --only-k2d ] && exit 0
end "$RUN/dockerd.pid" dockerd
end "$RUN/podman.pid" podman
rmdir "$RUN" 2>/dev/null || true
