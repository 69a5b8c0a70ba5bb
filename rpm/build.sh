#!/usr/bin/env bash
# Builds target/rpm/k2d-VERSION-1.ARCH.rpm from the working tree.
#
#   rpm/build.sh                   cargo builds the program
#   K2D_BINARY=FILE rpm/build.sh   that program is packed
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

command -v rpmbuild >/dev/null || { echo "rpmbuild is missing: apt-get install rpm, or dnf install rpm-build" >&2; exit 1; }
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
if [ -z "${K2D_BINARY:-}" ]; then
    cargo build --release --locked --bin k2d
    K2D_BINARY=$root/target/release/k2d
fi
K2D_BINARY=$(realpath "$K2D_BINARY")

work=$(mktemp -d "${TMPDIR:-/tmp}/k2d-rpm.XXXXXX")
trap 'rm -rf "$work"' EXIT
rpmbuild -bb --quiet --nodeps \
    --define "_topdir $work" --define "_rpmdir $work/out" --define "_binary_payload w9.xzdio" \
    --define "k2d_version $version" --define "k2d_tree $root" --define "k2d_binary $K2D_BINARY" \
    rpm/k2d.spec >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
mkdir -p target/rpm
rm -f target/rpm/*.rpm
find "$work/out" -name '*.rpm' -exec mv {} target/rpm/ ';'
ls -l target/rpm/*.rpm
