#!/usr/bin/env python3
"""Real clients against a k2d without an engine, as people use them: kubectl, Helm, the Python client, a script on bare
paths, an informer of client-go and kube-rs. k2d runs as a user without rights, on 127.0.0.1.

  run.py [--only WORD...]     the steps whose name holds one of the words; those of kubectl and of Helm stand on one
                              another, so name all of a release: run.py --only "kubectl 1.37"
  run.py --list               the names of the steps
"""
import argparse
import os
import signal
import sys
import tempfile

from bed import PORT, Kubectl, bring
from testbed import K2d, Steps, keep_log

import charts
import crates
import dynamic
import informer
import raw
import verbs

NOBODY = 65534


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    steps = Steps()
    with tempfile.TemporaryDirectory(prefix="k2d-clients-") as work:
        os.chmod(work, 0o755)
        k2d = K2d("--engine", "none", data=os.path.join(work, "k2d"), log=os.path.join(work, "k2d.log"), listen=f"127.0.0.1:{PORT}", user=NOBODY)
        steps("k2d starts as an ordinary user", vital=True)(lambda: k2d.start() and None)
        for release in ("37", "30"):
            kubectl = Kubectl(k2d, release, work)
            verbs.register(steps, kubectl)
            charts.register(steps, kubectl)
        dynamic.register(steps, k2d, lambda: bring("python"))
        raw.register(steps, k2d)
        informer.register(steps, k2d, lambda: bring("informer"))
        crates.register(steps, k2d, lambda: bring("kube"))
        if options.list:
            print("\n".join(steps.names()))
            return 0
        try:
            steps.play(only=options.only)
        finally:
            k2d.stop(signal.SIGKILL)
            keep_log(k2d.log, "clients-k2d.log")
    return steps.summary()


if __name__ == "__main__":
    sys.exit(main())
