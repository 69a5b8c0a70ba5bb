#!/usr/bin/env bash
# systemd's own reading of the unit files. Their programs are not installed here, which is not the files' fault.
cd "$(dirname "$0")/../.." || exit 1
ls systemd/*.service systemd/*.socket >/dev/null 2>&1 || exit 0
command -v systemd-analyze >/dev/null 2>&1 || exit 0
said=$(systemd-analyze verify --man=no --recursive-errors=no systemd/*.service systemd/*.socket 2>&1 | grep -E 'systemd/|k2d\.(service|socket)' | grep -vE 'is not executable|Failed to (prepare|load) ')
[ -z "$said" ] || { echo "$said"; exit 1; }
