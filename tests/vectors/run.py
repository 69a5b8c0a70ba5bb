#!/usr/bin/env python3
"""Plays the recorded conversations of ../shared/vectors against k2d and compares with expected.txt, the list of the
scenarios that pass. One of them that fails is a failure; one that passes and is not listed is told, not counted.

  run.py                    all topics: against `serve --api-only`, and `controllers` against a k2d without an engine
  run.py --topic pods ...   these topics alone
  run.py --update           adds to expected.txt what passes now (it never takes a line away)
"""
import argparse
import glob
import os
import re
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "testbed"))
from testbed import ROOT, Ended, Failed, K2d, keep_log

EXPECTED = os.path.join(HERE, "expected.txt")


def play(folder, topics, bare, flags, port):
    """Names of the scenarios that passed and of those that failed, with what the player said of them."""
    passed, failed = [], {}
    with tempfile.TemporaryDirectory(prefix="k2d-vectors-") as work:
        k2d = K2d(*flags, data=os.path.join(work, "data"), log=os.path.join(work, "k2d.log"), listen=f"127.0.0.1:{port}")
        try:
            k2d.start()
            command = [sys.executable, os.path.join(folder, "play.py"), "check", "--kubeconfig", k2d.kubeconfig, *(["--bare"] if bare else []),
                       *(os.path.join(folder, topic + ".json") for topic in topics)]
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  env={**os.environ, "PATH": k2d.tools + ":" + os.environ["PATH"]})
            current = None
            for line in done.stdout.splitlines():
                if line.startswith("ok   "):
                    passed.append(re.sub(r" \([\d.]+s\)$", "", line[5:]))
                    current = None
                elif line.startswith("FAIL "):
                    current = line[5:]
                    failed[current] = []
                elif current is not None and line.startswith("  "):
                    failed[current].append(line)
            if not passed and not failed:
                print(done.stdout)
            if k2d.process.poll() is not None:
                print(f"k2d ended during the play with status {k2d.process.returncode}:\n{k2d.tail()}")
                failed["k2d itself"] = []
        except (Failed, Ended) as error:
            failed["k2d itself"] = [str(error)]
        finally:
            k2d.stop(signal.SIGTERM)
            keep_log(k2d.log, f"vectors-{port}.log")
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", default=os.path.join(ROOT, "..", "shared", "vectors"))
    parser.add_argument("--topic", nargs="+")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--show", action="store_true", help="print every difference, not only those of expected scenarios")
    options = parser.parse_args()
    if not os.path.exists(os.path.join(options.vectors, "play.py")):
        print(f"no vectors beside this checkout ({os.path.normpath(options.vectors)}): nothing played")
        print("0 passed, 0 failed")
        return 0
    topics = sorted(os.path.basename(path)[:-5] for path in glob.glob(os.path.join(options.vectors, "*.json")))
    topics = [topic for topic in topics if not options.topic or topic in options.topic]
    expected = set()
    if os.path.exists(EXPECTED):
        with open(EXPECTED) as file:
            expected = {line.strip() for line in file if line.strip() and not line.startswith("#")}

    passed, failed = [], {}
    for names, bare, flags, port in (([topic for topic in topics if topic != "controllers"], True, ["--api-only"], 16443),
                                     ([topic for topic in topics if topic == "controllers"], False, ["--engine", "none"], 16444)):
        # A topic of which nothing is expected is played only when asked for: it has no verdict.
        if not (options.update or options.topic or options.show):
            names = [topic for topic in names if any(one.startswith(topic + "/") for one in expected)]
        if names:
            good, bad = play(options.vectors, names, bare, flags, port)
            passed += good
            failed.update(bad)
    lost = sorted((expected & set(failed)) | ({"k2d itself"} & set(failed)))
    for name in sorted(failed) if options.show else lost:
        print(f"FAIL {name}" + ("" if name in lost else " (not expected yet)"))
        print("\n".join(failed[name]))
    # One that vanished from the recordings, or was never reached, cannot be said to pass.
    unseen = sorted(name for name in expected - set(passed) - set(failed) if name.split("/")[0] in topics)
    for name in unseen:
        print(f"FAIL {name}: not played")
    new = sorted(set(passed) - expected)
    if new:
        print(f"{len(new)} pass that are not expected yet" + ("" if options.update else " (run.py --update adds them)"))
    if options.update and new:
        with open(EXPECTED, "w") as file:
            file.write("# Scenarios of shared/vectors that must pass; made by run.py --update.\n")
            file.writelines(name + "\n" for name in sorted(expected | set(passed)))
    print(f"{len(passed)} of {len(passed) + len(failed)} scenarios that were played pass")
    print(f"{len(expected & set(passed))} passed, {len(lost) + len(unseen)} failed")
    return 1 if lost or unseen else 0


if __name__ == "__main__":
    sys.exit(main())
