# shellcheck shell=bash
# Shared by the scripts of this folder; source it. Brings what a test or `make run` needs and says what it does.
# Everything here may be called again at any time: what is present costs nothing.

set -euo pipefail
# shellcheck disable=SC2034 # those who source this use it
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Downloads, images and folders that are the same for every run.
if [ "$(id -u)" = 0 ]; then CACHE=${K2D_CACHE:-/var/cache/k2d-test}; else CACHE=${K2D_CACHE:-$ROOT/.cache}; fi
export DEBIAN_FRONTEND=noninteractive

if [ -t 2 ]; then BOLD=$'\033[1m' PLAIN=$'\033[0m'; else BOLD='' PLAIN=''; fi
say() { printf '%s==>%s %s\n' "$BOLD" "$PLAIN" "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
# fail MESSAGE [WHAT TO DO INSTEAD]
fail() { printf 'error: %s\n' "$1" >&2; [ $# -lt 2 ] || printf '       %s\n' "$2" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
systemd_runs() { [ -d /run/systemd/system ]; }

# until_true SECONDS COMMAND...: ask ten times a second until the command succeeds.
until_true() {
    local tries=$(( $1 * 10 )); shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1)); [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

# An ended process that nobody has asked about yet is gone as well.
process_gone() { [ ! -d "/proc/$1" ] || grep -q '^State:[[:space:]]Z' "/proc/$1/status"; }

# end_process PIDFILE [NAME]: ends the process of that file and waits for it; with a NAME only if it is still that program.
end_process() {
    local pid
    [ -s "$1" ] || return 0
    pid=$(cat "$1")
    rm -f "$1"
    if process_gone "$pid"; then return 0; fi
    [ -z "${2:-}" ] || [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] || return 0
    [ -z "${2:-}" ] || say "ending $2"
    kill "$pid" 2>/dev/null || return 0
    until_true 30 process_gone "$pid" || kill -9 "$pid" 2>/dev/null || true
}

need_root() {
    [ "$(id -u)" = 0 ] || fail "this needs root" "run it as: sudo $0 $*"
}

# need COMMAND=PACKAGE...: brings the Debian package (or Fedora's of the same purpose) of each command that is missing.
need() {
    local missing=() pair
    for pair in "$@"; do have "${pair%%=*}" || missing+=("${pair#*=}"); done
    [ ${#missing[@]} -gt 0 ] || return 0
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
    say "installing ${missing[*]}"
    if have apt-get; then
        apt_update
        without_services apt-get install -y -qq --no-install-recommends "${missing[@]}"
    elif have dnf; then
        # shellcheck disable=SC2046
        dnf install -y -q $(fedora_names "${missing[@]}")
    else
        fail "neither apt-get nor dnf is here" "install by hand: ${missing[*]}"
    fi >"$(log_of install)" 2>&1 </dev/null || fail "could not install ${missing[*]}" "what was said is in $(log_of install)"
}

# Where no systemd runs, packages would start their services by init scripts that nobody ends again (and Docker's needs
# minutes where the limit of open files is high): apt is told not to, for as long as the command runs.
without_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    if systemd_runs || [ -e $policy ]; then "$@"; return; fi
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    "$@" || status=$?
    rm -f $policy
    return $status
}

fedora_names() {
    printf '%s\n' "$@" | sed -e 's/^docker.io$/moby-engine/' -e 's/^iproute2$/iproute/' -e 's/^procps$/procps-ng/' \
        -e 's/^iptables$/iptables-nft/' -e 's/^pkg-config$/pkgconf/'
}

# The package lists, fetched once a day at most.
apt_update() {
    mkdir -p "$CACHE"
    [ -z "$(find "$CACHE/apt-updated" -mmin -1440 2>/dev/null)" ] || return 0
    apt-get update -qq >"$(log_of apt-update)" 2>&1 </dev/null || warn "apt-get update failed, see $(log_of apt-update)"
    touch "$CACHE/apt-updated"
}

log_of() { mkdir -p "$CACHE/log"; echo "$CACHE/log/$1.log"; }

# once NAME COMMAND...: run the command with a temporary folder as last argument; its content becomes $CACHE/NAME
# only when the command succeeded, so an interrupted run leaves nothing half done.
once() {
    local name=$1 partial; shift
    [ -e "$CACHE/$name" ] && return 0
    mkdir -p "$CACHE"
    partial=$(mktemp -d "$CACHE/.partial.XXXXXX")
    if "$@" "$partial"; then mkdir -p "$(dirname "$CACHE/$name")"; mv "$partial" "$CACHE/$name"
    else rm -rf "$partial"; return 1; fi
}
