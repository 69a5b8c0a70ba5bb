#!/usr/bin/env bash
# Builds target/debian/k2d_VERSION_ARCH.deb from the working tree.
#
#   debian/build.sh            cargo builds the program
#   K2D_BINARY=FILE debian/build.sh   that program is packed
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

for program in dh dpkg-buildpackage; do
    command -v "$program" >/dev/null || { echo "$program is missing: apt-get install debhelper dpkg-dev" >&2; exit 1; }
done
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
packaged=$(dpkg-parsechangelog -S Version)
[ "$version" = "$packaged" ] || { echo "Cargo.toml says $version, debian/changelog $packaged" >&2; exit 1; }
if [ -z "${K2D_BINARY:-}" ]; then
    cargo build --release --locked --bin k2d
    K2D_BINARY=$root/target/release/k2d
fi
K2D_BINARY=$(realpath "$K2D_BINARY")
export K2D_BINARY

# In a copy, so that nothing of the build is left in the tree.
work=$(mktemp -d "${TMPDIR:-/tmp}/k2d-deb.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/k2d"
cp -r debian systemd etc README.md LICENSE "$work/k2d/"
(cd "$work/k2d" && dpkg-buildpackage -b -us -uc -d >"$work/log" 2>&1) || { cat "$work/log" >&2; exit 1; }
mkdir -p target/debian
rm -f target/debian/k2d_*.deb
mv "$work"/k2d_*.deb target/debian/
ls -l target/debian/*.deb
