# shellcheck shell=bash
# Brings Rust 1.95 or newer, from where it already is, from the distribution, or by rustup. Source it after lib.sh.

# The one who builds: not root when somebody came through sudo, so that target/ and ~/.cargo stay theirs.
builder=${SUDO_USER:-root}
[ "$(id -u)" = 0 ] || builder=$(id -un)
as_builder() {
    if [ "$builder" = "$(id -un)" ]; then PATH="$HOME/.cargo/bin:$PATH" "$@"
    else sudo -u "$builder" -H env PATH="$(getent passwd "$builder" | cut -d: -f6)/.cargo/bin:$PATH" "$@"; fi
}

new_enough() { [ -n "$1" ] && [ "$(printf '1.95\n%s\n' "$1" | sort -V | head -n 1)" = 1.95 ]; }
rust_ready() { new_enough "$(as_builder rustc --version 2>/dev/null | cut -d' ' -f2)" && as_builder cargo --version >/dev/null 2>&1; }

bring_rust() {
    local offered=
    if rust_ready; then return 0; fi
    if have apt-cache; then apt_update; offered=$(apt-cache policy rustc | sed -n 's/.*Candidate: \([0-9.]*\).*/\1/p')
    elif have dnf; then offered=$(dnf info -q rust 2>/dev/null | sed -n 's/^Version *: //p' | sort -V | tail -n 1); fi
    if new_enough "$offered"; then need rustc=rustc cargo=cargo; fi
    if rust_ready; then return 0; fi
    if as_builder sh -c 'command -v rustup' >/dev/null 2>&1; then
        say "bringing Rust up to date by rustup"
        as_builder rustup toolchain install stable --profile default && as_builder rustup default stable
    else
        need curl=curl update-ca-certificates=ca-certificates
        say "installing Rust by rustup for user $builder"
        as_builder sh -c 'curl --proto "=https" --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y -q --profile default' >"$(log_of rustup)" 2>&1 || true
    fi
    rust_ready || fail "Rust 1.95 or newer is not to be had by this script" "install it as https://rustup.rs says, then run this again"
}
