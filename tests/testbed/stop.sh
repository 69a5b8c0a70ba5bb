#!/usr/bin/env bash
# `make stop`: takes the gateway application away, then ends what `make run` started: k2d, and dockerd or podman where
# run started them. State in /var/lib/k2d and an installed k2d.service stay as they are.
#   stop.sh --only-k2d     ends just the k2d that run started; containers go on
. "$(dirname "$0")/lib.sh"
if [ "$(id -u)" != 0 ]; then exec sudo "$0" "$@"; fi
RUN=/run/k2d-run

if [ "${1:-}" != --only-k2d ] && [ -s "$RUN/k2d.pid" ] && ! process_gone "$(cat "$RUN/k2d.pid")"; then
    kubectl=kubectl
    have kubectl || kubectl=$CACHE/kubectl-1.37/kubectl
    say "kubectl delete -f examples/gateway"
    "$kubectl" --kubeconfig /var/lib/k2d/admin.kubeconfig delete -f "$ROOT/examples/gateway" --ignore-not-found --timeout=120s \
        || warn "not everything could be deleted; the containers that are left: docker ps"
fi
end_process "$RUN/k2d.pid" k2d
[ "${1:-}" = --only-k2d ] && exit 0
end_process "$RUN/dockerd.pid" dockerd
end_process "$RUN/podman.pid" podman
rmdir "$RUN" 2>/dev/null || true
