"""kube-rs as controllers and tools of Rust use it: tests/clients/kube, one of its tests a step."""
import os
import subprocess

from bed import check, until

NAMESPACE = "kube-rs"
NAMES = ("discovery", "typed", "dynamic", "patches", "apply", "metadata", "subresources", "pages", "watch", "reflector", "errors")


def register(steps, k2d, program):
    kept = {}

    def play(name):
        def step():
            if "program" not in kept:
                kept["program"] = os.path.join(program(), "kube-tests")
                check(k2d.api("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})[0] == 201)
                until(5, lambda: k2d.api("GET", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default")[0] == 200, "the default service account")
            done = subprocess.run([kept["program"], name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=60, env={**os.environ, "KUBECONFIG": k2d.kubeconfig, "RUST_BACKTRACE": "0"})
            check(done.returncode == 0, done.stdout)
        return step
    for name in NAMES:
        steps(f"kube-rs: {name}")(play(name))
