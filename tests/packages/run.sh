#!/usr/bin/env bash
# Builds the packages and looks at them: lintian's errors, what is configuration, that both hold the same files.
. "$(dirname "$0")/../testbed/lib.sh"
. "$(dirname "$0")/../testbed/rust.sh"
. "$(dirname "$0")/../testbed/verdicts.sh"
cd "$ROOT" || exit 1
need lintian=lintian dh=debhelper dpkg-buildpackage=dpkg-dev rpmbuild=rpm rpm2cpio=rpm cpio=cpio
export PATH="$HOME/.cargo/bin:$PATH"
bring_rust
newest() { find "$ROOT/target" -maxdepth 4 -name "$1" ! -name '*dbgsym*' -printf '%T@ %p\n' 2>/dev/null | sort -n | tail -n 1 | cut -d' ' -f2-; }

try "make deb" make --no-print-directory deb
deb=$(newest '*.deb')
[ -n "$deb" ] || { echo "no .deb below target/"; summary; exit; }
try "lintian finds no error" lintian --fail-on error "$deb"

listed() { dpkg-deb -c "$1" | awk '$1 !~ /^d/ {print $6}' | sed 's|^\.||' | sort; }
holds() { local path; for path in "$@"; do listed "$deb" | grep -qx "$path" || { echo "no $path in $deb"; return 1; }; done; }
try "it holds program, units, configuration, man page" holds /usr/bin/k2d /etc/k2d/k2d.toml /usr/share/man/man8/k2d.8.gz
try "it holds the units" bash -c 'dpkg-deb -c "$1" | grep -q /systemd/system/k2d.service && dpkg-deb -c "$1" | grep -q /systemd/system/k2d.socket' - "$deb"
try "it holds shell completions" bash -c 'dpkg-deb -c "$1" | grep -qi complet' - "$deb"
try "the configuration is a conffile" bash -c 'dpkg-deb --ctrl-tarfile "$1" | tar -xO ./conffiles | grep -qx /etc/k2d/k2d.toml' - "$deb"
try "nothing in it but root's, nothing that all may write" bash -c '! dpkg-deb -c "$1" | grep -vE "^l" | awk "\$2 != \"root/root\" || substr(\$1, 9, 1) == \"w\"" | grep .' - "$deb"

try "make rpm" make --no-print-directory rpm
rpm=$(newest '*.rpm')
# Where each distribution keeps its units, its documentation and its build notes is its own matter.
plain() { sed -E 's|^/usr/lib/|/lib/|' | grep -vE '^/usr/share/(doc|licenses|lintian)/|/\.build-id' | sed -E 's|\.gz$||' | sort -u; }
same() {
    diff <(listed "$deb" | plain) <(rpm -qlp "$rpm" 2>/dev/null | while read -r path; do
        # Folders are no files.
        rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' "$rpm" 2>/dev/null | grep -qE "^d[^ ]* $path\$" || echo "$path"
    done | plain)
}
[ -z "$rpm" ] || try "both packages hold the same files" same
[ -n "$rpm" ] && try "the configuration is %config(noreplace) in the rpm" bash -c 'rpm -qp --configfiles "$1" 2>/dev/null | grep -qx /etc/k2d/k2d.toml' - "$rpm"
summary
