#!/usr/bin/env bash
# A test host: a network namespace with its own Docker, optionally its own Podman, and a machine beside it.
# k2d, its firewall rules and the pods live inside; nothing on this machine is touched, and several test hosts
# can run at once.
#
#   host.sh NAME up [docker] [podman]   makes the namespaces and starts the engines (default docker)
#   host.sh NAME images [podman]        gives its engine the images of examples/gateway
#   host.sh NAME exec COMMAND...        runs a command on the test host
#   host.sh NAME outside COMMAND...     runs a command on the other machine (198.51.100.2; the host is 198.51.100.1)
#   host.sh NAME docker-restart         ends dockerd as a reboot of the service does, and starts it again
#   host.sh NAME docker-stop|docker-start|podman-stop|podman-start
#   host.sh NAME power-cut              kills the engine and all its containers, and takes away what a reboot does: /run,
#                                       bridges, packet rules; docker-start is then the boot
#   host.sh NAME registry               starts two registries on its loopback: 127.0.0.1:5000 for all, and :5001 for the
#                                       user "puller" with password "open-sesame"; each holds plant/busybox:1
#   host.sh NAME socket [podman]        prints the engine's socket
#   host.sh NAME down                   ends and removes all of it
. "$(dirname "$0")/lib.sh"

name=${1:?name of the test host}; action=${2:?action}; shift 2
STATE=/run/k2d-test/$name
DATA=/var/lib/k2d-test/$name
DOCKER=$STATE/docker.sock
PODMAN=$STATE/podman.sock
inside() { nsenter --net="/run/netns/$name" -- "$@"; }
docker_answers() { docker -H "unix://$DOCKER" version; }

namespaces() {
    [ ! -e "/run/netns/$name" ] || return 0
    ip netns add "$name"
    ip netns add "$name-out"
    ip link add k2dwire0 netns "$name" type veth peer name k2dwire1 netns "$name-out"
    ip -n "$name" link set lo up
    ip -n "$name-out" link set lo up
    ip -n "$name" addr add 198.51.100.1/24 dev k2dwire0
    ip -n "$name-out" addr add 198.51.100.2/24 dev k2dwire1
    ip -n "$name" link set k2dwire0 up
    ip -n "$name-out" link set k2dwire1 up
    ip -n "$name" route add default via 198.51.100.2
    # The other machine is also the way to everywhere else, and says at once that there is none, even to UDP.
    nsenter --net="/run/netns/$name-out" -- sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.k2dwire1.send_redirects=0
    nsenter --net="/run/netns/$name-out" -- nft -f - <<NFT
table inet nowhere {
    chain forward { type filter hook forward priority 0; reject with icmpx type port-unreachable; }
}
NFT
    ip -n "$name-out" route add default via 198.51.100.1
}

start_docker() {
    if docker_answers >/dev/null 2>&1; then return 0; fi
    # In a mount namespace of its own, where guest.sh can put the guest's /var/lib/k2d in this machine's place; what is
    # mounted later below $DATA is seen in it too.
    mountpoint -q "$DATA" || { mount --bind "$DATA" "$DATA" && mount --make-shared "$DATA"; }
    # A guest's state folder stands in the place of this machine's before the first container starts.
    local guest=$DATA/guest/var/lib/k2d begin=()
    if [ -d "$guest" ]; then
        begin=(sh -c "mount --bind '$guest' /var/lib/k2d && exec \"\$@\"" dockerd)
    fi
    inside setsid unshare --mount --propagation slave "${begin[@]}" dockerd --data-root "$DATA/docker" --exec-root "$STATE/docker" --pidfile "$STATE/docker.pid" \
        --host "unix://$DOCKER" --insecure-registry 127.0.0.0/8 >>"$STATE/dockerd.log" 2>&1 </dev/null &
    until_true 30 docker_answers || fail "dockerd did not start" "$(tail -n 3 "$STATE/dockerd.log")"
}

start_podman() {
    if [ -S "$PODMAN" ] && podman --remote --url "unix://$PODMAN" version >/dev/null 2>&1; then return 0; fi
    mkdir -p "$DATA/podman/networks"
    # Without a word on them Podman asks for more files and processes than a sandboxed machine may give.
    printf '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\n' >"$DATA/podman/containers.conf"
    inside env CONTAINERS_CONF="$DATA/podman/containers.conf" setsid podman --runtime runc --root "$DATA/podman/root" --runroot "$STATE/podman" --tmpdir "$STATE/podman/tmp" \
        --network-config-dir "$DATA/podman/networks" system service --time=0 "unix://$PODMAN" >>"$STATE/podman.log" 2>&1 </dev/null &
    echo $! >"$STATE/podman.pid"
    until_true 20 podman --remote --url "unix://$PODMAN" version || fail "podman did not start" "$(tail -n 3 "$STATE/podman.log")"
}

power_cut() {
    local top below=() shim
    # The containers' processes are found through their shims, which must not see them end.
    for shim in $(ip netns pids "$name" | while read -r top; do [[ $(cat "/proc/$top/comm" 2>/dev/null) != containerd-shim* ]] || echo "$top"; done); do
        below+=("$shim")
        # shellcheck disable=SC2207 # numbers
        below+=($(pgrep -P "$shim" || true))
    done
    for top in $(ip netns pids "$name"); do
        case $(cat "/proc/$top/comm" 2>/dev/null) in dockerd | containerd | docker-proxy) kill -9 "$top" 2>/dev/null || true ;; esac
    done
    [ ${#below[@]} = 0 ] || kill -9 "${below[@]}" 2>/dev/null || true
    for top in $(ip -n "$name" -o link show type bridge | sed 's/^[0-9]*: \([^:@]*\).*/\1/'); do ip -n "$name" link delete "$top"; done
    inside nft flush ruleset
    findmnt -rno TARGET | grep -E "^$STATE/docker(/|$)" | sort -r | xargs -r -n1 umount -l 2>/dev/null || true
    rm -rf "$STATE/docker" "$STATE/docker.pid" "$DOCKER"
}

serve_registry() { # PORT [LINES OF YAML]
    local port=$1
    cat >"$STATE/registry-$port.yml" <<YAML
version: 0.1
log: { level: warn }
storage: { filesystem: { rootdirectory: $DATA/registry }, delete: { enabled: true } }
http: { addr: 127.0.0.1:$port }
${2:-}
YAML
    inside setsid docker-registry serve "$STATE/registry-$port.yml" >>"$STATE/registry.log" 2>&1 </dev/null &
    echo $! >"$STATE/registry-$port.pid"
    until_true 15 inside bash -c "</dev/tcp/127.0.0.1/$port" || fail "the registry did not start" "$(tail -n 3 "$STATE/registry.log")"
}

start_registry() {
    need docker-registry=docker-registry htpasswd=apache2-utils
    [ ! -s "$STATE/registry-5000.pid" ] || return 0
    mkdir -p "$DATA/registry"
    htpasswd -Bbn puller open-sesame >"$STATE/registry.users"
    serve_registry 5000
    serve_registry 5001 "auth: { htpasswd: { realm: plant, path: $STATE/registry.users } }"
    docker -H "unix://$DOCKER" tag busybox:1.37 127.0.0.1:5000/plant/busybox:1
    docker -H "unix://$DOCKER" push -q 127.0.0.1:5000/plant/busybox:1 >/dev/null
    docker -H "unix://$DOCKER" rmi 127.0.0.1:5000/plant/busybox:1 >/dev/null
}

up() {
    need_root "$@"
    local want="${*:-docker}"
    need ip=iproute2 iptables=iptables nft=nftables sysctl=procps nsenter=util-linux python3=python3 mosquitto_sub=mosquitto-clients
    case $want in *docker*) need dockerd=docker.io docker=docker.io ;; esac
    case $want in *podman*) need podman=podman runc=runc docker=docker.io ;; esac
    mkdir -p "$STATE" "$DATA"
    namespaces
    case $want in *docker*) start_docker ;; esac
    case $want in *podman*) start_podman ;; esac
}

down() {
    need_root down
    local left
    if docker_answers >/dev/null 2>&1; then
        left=$(docker -H "unix://$DOCKER" ps -aq)
        [ -z "$left" ] || xargs -r docker -H "unix://$DOCKER" rm -f <<<"$left" >/dev/null 2>&1 || true
    fi
    [ ! -S "$PODMAN" ] || timeout 30 podman --remote --url "unix://$PODMAN" rm -af -t 0 >/dev/null 2>&1 || true
    end_process "$STATE/docker.pid"
    end_process "$STATE/podman.pid"
    end_process "$STATE/registry-5000.pid"
    end_process "$STATE/registry-5001.pid"
    # What still lives in the namespaces was started for the test and has nobody else.
    for ns in "$name" "$name-out"; do
        [ -e "/run/netns/$ns" ] || continue
        ip netns pids "$ns" | xargs -r kill -9 2>/dev/null || true
        ip netns delete "$ns"
    done
    findmnt -rno TARGET | grep -E "^($STATE|$DATA)(/|$)" | sort -r | xargs -r -n1 umount -l 2>/dev/null || true
    [ ! -e "$STATE/made-var-lib-k2d" ] || rmdir /var/lib/k2d 2>/dev/null || true
    rm -rf "$STATE" "$DATA"
    rmdir /run/k2d-test /var/lib/k2d-test 2>/dev/null || true
}

case $action in
    up) up "$@" ;;
    images) if [ "${1:-docker}" = podman ]; then "$(dirname "$0")/images.sh" --local --podman "$PODMAN"; else "$(dirname "$0")/images.sh" --local "$DOCKER"; fi ;;
    exec) exec nsenter --net="/run/netns/$name" -- "$@" ;;
    outside) exec nsenter --net="/run/netns/$name-out" -- "$@" ;;
    docker-stop) end_process "$STATE/docker.pid" ;;
    docker-start) start_docker ;;
    podman-stop) end_process "$STATE/podman.pid"; rm -f "$PODMAN" ;;
    podman-start) start_podman ;;
    power-cut) power_cut ;;
    docker-restart) end_process "$STATE/docker.pid"; start_docker ;;
    registry) start_registry ;;
    socket) if [ "${1:-docker}" = podman ]; then echo "$PODMAN"; else echo "$DOCKER"; fi ;;
    down) down ;;
    *) fail "no such action: $action" "see the top of this script" ;;
esac
