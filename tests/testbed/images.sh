#!/usr/bin/env bash
# Gives an engine the images that examples/gateway names. An image that is present stays as it is; one that is not is
# pulled; where no registry can be reached, one of the same name is built from Debian packages (the real mosquitto,
# the real python), so that the manifests stay as a user would write them.
#   images.sh [--local] [SOCKET]     default socket /var/run/docker.sock; --local never tries to pull
#   images.sh [--local] --podman SOCKET
. "$(dirname "$0")/lib.sh"

pull=yes client=docker
while [ $# -gt 0 ]; do
    case $1 in
        --local) pull=no ;;
        --podman) client=podman ;;
        *) break ;;
    esac
    shift
done
socket=${1:-/var/run/docker.sock}
if [ $client = podman ]; then engine() { podman --remote --url "unix://$socket" "$@"; }
else engine() { docker -H "unix://$socket" "$@"; }; fi

BUSYBOX="busybox:1.37 busybox:1.35 busybox:latest"
PYTHON="python:3-alpine"
MOSQUITTO="eclipse-mosquitto:2 eclipse-mosquitto:2.0"

# Unpacks packages and the libraries they depend on, without their scripts and without what only an installed
# system needs. A package's own dependency list says which libraries; nothing else is followed.
unpack() {
    local into=$1 debs name libraries; shift
    apt_update
    debs=$(mktemp -d)
    # apt drops its rights for downloads, so the folder must let it in.
    chmod 755 "$debs"
    chown _apt "$debs" 2>/dev/null || true
    libraries=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
        "$@" | grep -E '^[a-z]' | grep -E '^lib' | grep -vE '^lib(perl|pam|selinux|semanage|sepol|audit|apt)|-perl$' | sort -u)
    # shellcheck disable=SC2086 # one package name a word
    (cd "$debs" && apt-get download -qq "$@" $libraries zlib1g libc6 >"$(log_of apt-download)" 2>&1) \
        || fail "apt-get download failed" "see $(log_of apt-download)"
    mkdir -p "$into/usr/bin" "$into/usr/sbin" "$into/usr/lib" "$into/usr/lib64"
    for name in bin sbin lib lib64; do ln -sfn "usr/$name" "$into/$name"; done
    for name in "$debs"/*.deb; do
        dpkg-deb --fsys-tarfile "$name" | tar -C "$into" -x --keep-directory-symlink \
            --exclude './usr/share/doc/*' --exclude './usr/share/man/*' --exclude './usr/share/locale/*' --exclude './usr/share/lintian/*'
    done
    rm -rf "$debs"
}

# A root file system with busybox as its shell and tools.
base() {
    local into=$1 applet
    need busybox=busybox-static
    mkdir -p "$into/bin" "$into/etc" "$into/root" "$into/tmp" "$into/var/tmp" "$into/proc" "$into/sys" "$into/dev"
    chmod 1777 "$into/tmp" "$into/var/tmp"
    cp "$(command -v busybox)" "$into/bin/busybox"
    for applet in $(busybox --list); do [ -e "$into/bin/$applet" ] || ln -s busybox "$into/bin/$applet"; done
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$into/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$into/etc/group"
}

root_of_busybox() { mkdir "$1/root"; base "$1/root"; }

root_of_python() {
    say "making python:3-alpine from Debian's python3"
    unpack "$1/root" python3-minimal python3 libpython3-stdlib "$(python_package)"  "$(python_package)-minimal"
    base "$1/root"
    mkdir -p "$1/root/usr/local/bin"
    ln -s "/usr/bin/$(python_package)" "$1/root/usr/local/bin/python3"
    ln -s python3 "$1/root/usr/local/bin/python"
}
python_package() { apt-cache depends python3 | sed -n 's/.*Depends: \(python3\.[0-9]*\)$/\1/p' | head -n 1; }

root_of_mosquitto() {
    local root=$1/root
    say "making eclipse-mosquitto:2 from Debian's mosquitto"
    unpack "$root" mosquitto mosquitto-clients
    base "$root"
    # As in the published image: user 1883, files under /mosquitto, a start script that gives them to that user.
    echo 'mosquitto:x:1883:1883:mosquitto:/var/empty:/sbin/nologin' >>"$root/etc/passwd"
    echo 'mosquitto:x:1883:' >>"$root/etc/group"
    mkdir -p "$root/mosquitto/config" "$root/mosquitto/data" "$root/mosquitto/log"
    printf '# The broker listens on loopback only until a configuration says otherwise.\n' >"$root/mosquitto/config/mosquitto.conf"
    cat >"$root/docker-entrypoint.sh" <<'SH'
#!/bin/sh
set -e
if [ "$(id -u)" = 0 ] && [ -d /mosquitto ]; then
    chown -R mosquitto:mosquitto /mosquitto || true
fi
exec "$@"
SH
    chmod 755 "$root/docker-entrypoint.sh"
    chown -R 1883:1883 "$root/mosquitto"
}

# import NAME ROOT OPTIONS...: one image, under all its names.
import() {
    local names=$1 root=$2 first name; shift 2
    first=${names%% *}
    tar -C "$CACHE/$root/root" -c . | engine import "$@" - "$first" >/dev/null
    for name in $names; do [ "$name" = "$first" ] || engine tag "$first" "$name"; done
}

present() { engine image inspect "$1" >/dev/null 2>&1; }
bring() {
    local kind=$1 names=$2 name incomplete=; shift 2
    for name in $names; do present "$name" || incomplete=yes; done
    [ -n "$incomplete" ] || return 0
    if [ $pull = yes ] && present_or_pulled "${names%% *}"; then return 0; fi
    { have apt-get && have dpkg-deb; } || fail "no registry can be reached and ${names%% *} cannot be built without Debian's packages" "pull or load it by hand: docker load <FILE"
    once "image-$kind" "root_of_$kind" || fail "cannot build ${names%% *}"
    say "importing ${names}"
    import "$names" "image-$kind" "$@"
}
present_or_pulled() { present "$1" || { say "pulling $1"; timeout 120 docker -H "unix://$socket" pull -q "$1" >/dev/null 2>&1; }; }

bring busybox "$BUSYBOX" -c 'CMD ["sh"]' -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
bring python "$PYTHON" -c 'CMD ["python3"]' -c 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' -c 'ENV LANG=C.UTF-8'
bring mosquitto "$MOSQUITTO" -c 'ENTRYPOINT ["/docker-entrypoint.sh"]' -c 'CMD ["/usr/sbin/mosquitto","-c","/mosquitto/config/mosquitto.conf"]' \
    -c 'VOLUME ["/mosquitto/data","/mosquitto/log"]' -c 'EXPOSE 1883' -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' -c 'ENV VERSION=2'
