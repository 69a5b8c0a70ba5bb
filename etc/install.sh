#!/bin/sh
# Puts all files of a package below a folder; debian/rules and rpm/k2d.spec both call it.
#
#   etc/install.sh BINARY FOLDER [UNITS]     UNITS is where units go, /usr/lib/systemd/system if not named
set -eu
binary=$1
to=$2
units=${3:-/usr/lib/systemd/system}
here=$(cd "$(dirname "$0")/.." && pwd)

install -D -m 0755 "$binary" "$to/usr/bin/k2d"
install -D -m 0644 "$here/etc/k2d.toml" "$to/etc/k2d/k2d.toml"
install -d -m 0755 "$to/etc/k2d/k2d.toml.d"
for unit in k2d.service k2d.socket; do
    install -D -m 0644 "$here/systemd/$unit" "$to$units/$unit"
done
install -D -m 0644 "$here/etc/k2d.8" "$to/usr/share/man/man8/k2d.8"
install -D -m 0644 "$here/etc/completions/k2d.bash" "$to/usr/share/bash-completion/completions/k2d"
install -D -m 0644 "$here/etc/completions/_k2d" "$to/usr/share/zsh/vendor-completions/_k2d"
install -D -m 0644 "$here/etc/completions/k2d.fish" "$to/usr/share/fish/vendor_completions.d/k2d.fish"
