#!/usr/bin/env bash
# A booted Debian with systemd as process 1 (systemd-nspawn), on a test host of host.sh: its network, its Docker socket.
# What a package does on a real machine is seen here: units, sockets, the journal, apt.
#
#   guest.sh HOST up [BIND...]     boots it; each BIND is a folder of this machine seen at the same place inside
#   guest.sh HOST exec COMMAND...  runs a command inside, as root
#   guest.sh HOST power-cut        kills it as it is; up boots it again, from the same disk
#   guest.sh HOST down             ends it and removes it
. "$(dirname "$0")/lib.sh"

host=${1:?name of the test host}; action=${2:?action}; shift 2
STATE=/run/k2d-test/$host
GUEST=/var/lib/k2d-test/$host/guest
SUITE=${K2D_GUEST_SUITE:-bookworm}
# What k2d's own package may depend on, so that apt needs no network inside; jq, curl and the rest are for the tests.
PACKAGES=systemd,systemd-sysv,dbus,nftables,iproute2,iptables,adduser,ca-certificates,curl,jq,procps,init-system-helpers,libc6,bash-completion,man-db

make_system() {
    say "making a $SUITE system for the guest (once; about a minute)"
    rmdir "$1" && debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$1" >"$(log_of debootstrap)" 2>&1 || return 1
    # Units that only a machine of its own needs.
    for unit in systemd-networkd systemd-resolved systemd-timesyncd getty@tty1 console-getty systemd-logind; do
        ln -sf /dev/null "$1/etc/systemd/system/$unit.service"
    done
    rm -rf "$1"/var/cache/apt/archives/*.deb
    passwd -R "$1" -d root >/dev/null 2>&1 || true
}

leader() { cat "$STATE/guest.pid" 2>/dev/null; }
# The process that is 1 inside: the child of nspawn.
init() { local top; top=$(leader) && [ -n "$top" ] && pgrep -P "$top" | head -n 1; }
inside() { nsenter --target "$(init)" --mount --uts --ipc --pid --net --root --wd -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"; }
booted() { [ -n "$(init)" ] && inside systemctl is-system-running 2>/dev/null | grep -qE '^(running|degraded)$'; }

# The engine sees the guest's state folder, also one that was started anew (host.sh calls this too, before containers start).
share_state() {
    local engine
    engine=$(cat "$STATE/docker.pid")
    nsenter --mount --target "$engine" mountpoint -q /var/lib/k2d || nsenter --mount --target "$engine" mount --bind "$GUEST/var/lib/k2d" /var/lib/k2d
}

power_cut() {
    local top init
    top=$(leader) || true
    init=$(init) || true
    [ -z "$init" ] || kill -9 "$init" 2>/dev/null || true
    [ -z "$top" ] || { until_true 10 process_gone "$top" || kill -9 "$top"; }
    rm -f "$STATE/guest.pid"
}

up() {
    need_root up
    need debootstrap=debootstrap systemd-nspawn=systemd-container nsenter=util-linux pgrep=procps
    once "guest-$SUITE" make_system || fail "debootstrap failed" "see $(log_of debootstrap)"
    if booted; then return 0; fi
    mkdir -p "$GUEST.upper" "$GUEST.work" "$GUEST"
    mountpoint -q "$GUEST" || mount -t overlay overlay -o "lowerdir=$CACHE/guest-$SUITE,upperdir=$GUEST.upper,workdir=$GUEST.work" "$GUEST"
    local binds=() one
    for one in "$@"; do binds+=("--bind=$one"); done
    # A path under /var/lib/k2d that k2d in the guest hands to the engine outside must mean the same folder to both.
    [ -d /var/lib/k2d ] || { mkdir /var/lib/k2d; touch "$STATE/made-var-lib-k2d"; }
    mkdir -p "$GUEST/var/lib/k2d"
    share_state
    nsenter --net="/run/netns/$host" -- setsid systemd-nspawn --quiet --directory="$GUEST" --boot --register=no --keep-unit --machine="$host-guest" \
        --capability=all --system-call-filter='@keyring bpf' --bind="$STATE/docker.sock:/run/docker.sock" "${binds[@]}" --console=pipe --resolv-conf=off \
        >"$STATE/guest.log" 2>&1 </dev/null &
    echo $! >"$STATE/guest.pid"
    until_true 60 booted || fail "the guest did not boot" "$(tail -n 5 "$STATE/guest.log")"
}

down() {
    local top init
    top=$(leader) || true
    if [ -n "$top" ] && [ -d "/proc/$top" ]; then
        init=$(init) || true
        # SIGRTMIN+4 asks systemd to power off.
        [ -z "$init" ] || kill -s RTMIN+4 "$init" 2>/dev/null || true
        until_true 30 process_gone "$top" || { [ -z "$init" ] || kill -9 "$init" 2>/dev/null; kill -9 "$top" 2>/dev/null; } || true
    fi
    rm -f "$STATE/guest.pid"
    nsenter --mount --target "$(cat "$STATE/docker.pid" 2>/dev/null || echo 0)" umount -l /var/lib/k2d 2>/dev/null || true
    umount -l "$GUEST" 2>/dev/null || true
    if [ -e "$STATE/made-var-lib-k2d" ]; then rmdir /var/lib/k2d 2>/dev/null || true; rm "$STATE/made-var-lib-k2d"; fi
    rm -rf "$GUEST" "$GUEST.upper" "$GUEST.work"
}

case $action in
    up) up "$@" ;;
    exec) inside "$@" ;;
    power-cut) power_cut ;;
    down) down ;;
    *) fail "no such action: $action" "see the top of this script" ;;
esac
