#!/usr/bin/env python3
"""What a pod on one node must do, on real Docker: the behaviours of the Kubernetes conformance list that one host can show
(areas node, storage, pod network, scheduling), and more of their kind. table.tsv says which test shows which.

  suite.py                      all tests, some at a time
  suite.py --only WORD...       those whose name (such as volumes/subpath) holds one of the words
  suite.py --list               the names, and what the table says of each
  suite.py --jobs N             so many at a time (default 6)
  suite.py --keep               leave k2d and the test host as they are at the end (host.sh k2d-conformance down removes both)
"""
import argparse
import concurrent.futures
import importlib
import os
import re
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "testbed")]
from testbed import Ended, Failed, K2d, check, keep_log, on_host, until

import bed as beds

THEMES = ["life", "pods", "init", "hooks", "probes", "env", "security", "resources", "volumes", "projections", "storage", "network", "images", "scheduling", "streams"]


def read_table():
    """The lines of the table: area, behaviour, names of tests, remark."""
    rows = []
    with open(os.path.join(HERE, "table.tsv")) as file:
        for number, line in enumerate(file, 1):
            if line.strip() and not line.startswith("#"):
                fields = line.rstrip("\n").split("\t")
                check(len(fields) in (3, 4), f"table.tsv line {number} has {len(fields)} fields")
                area, behaviour, tests = fields[:3]
                rows.append((number, area, behaviour, [] if tests == "-" else tests.split(), fields[3] if len(fields) == 4 else ""))
    return rows


def check_table():
    """What is wrong with the table: a test that is not there, a line without a test or a reason, a test in no line."""
    wrong, named, seen = [], set(), set()
    for number, area, behaviour, tests, remark in read_table():
        named.update(tests)
        wrong += [f"line {number}: there is no test {name}" for name in tests if name not in beds.TESTS]
        if not tests and not re.match(r"(cannot hold|not yet): \S", remark):
            wrong.append(f"line {number}: neither a test nor a reason (cannot hold: ..., not yet: ...)")
        if (area, behaviour) in seen:
            wrong.append(f"line {number}: {area} {behaviour} stands there twice")
        seen.add((area, behaviour))
    return wrong + [f"{name} is in no line" for name in sorted(beds.TESTS) if name not in named]


class Suite:
    def __init__(self, k2d, host, jobs):
        self.k2d, self.host, self.jobs, self.api = k2d, host, jobs, beds.Api(k2d)
        self.passed, self.failed, self.lock = 0, [], threading.Lock()

    def play(self, names):
        def order(name):
            return not beds.TESTS[name][1]
        together = sorted((name for name in names if not beds.TESTS[name][2]), key=order)
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            list(pool.map(self.one, together))
        for name in names:
            if beds.TESTS[name][2]:
                self.one(name)

    def one(self, name):
        begin, reason, bed = time.monotonic(), None, None
        try:
            bed = beds.Bed(self.k2d, self.host, self.api, re.sub(r"[^a-z0-9]+", "-", name)[:50])
            beds.TESTS[name][0](bed)
        except Exception as error:
            reason = str(error) if isinstance(error, (Failed, Ended)) else traceback.format_exc()
        try:
            if bed:
                bed.end()
        except Exception as error:
            reason = reason or f"the end: {error}"
        with self.lock:
            if reason is None:
                self.passed += 1
                print(f"PASS {name} ({time.monotonic() - begin:.1f} s)", flush=True)
            else:
                self.failed.append(name)
                print(f"FAIL {name} ({time.monotonic() - begin:.1f} s): {reason}", flush=True)

    def leaves_nothing(self):
        """All namespaces go, and with them each container and each file of a pod."""
        try:
            until(60, lambda: not [one for one in self.k2d.get("namespaces")["items"] if one["metadata"].get("deletionTimestamp")], "all namespaces are gone")
            until(20, lambda: not self.host.containers("label=io.kubernetes.pod.name", every=True), "no container is left")
            top = os.path.join(self.k2d.data, "volumes")
            folders = os.listdir(top) if os.path.isdir(top) else []
            check(not folders, "folders of volumes are left:", folders)
            self.passed += 1
            print("PASS nothing is left of the pods", flush=True)
        except Failed as error:
            self.failed.append("nothing is left of the pods")
            print(f"FAIL nothing is left of the pods: {error}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="WORD")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    sys.modules["bed"] = beds
    for theme in THEMES:
        importlib.import_module(theme)
    wrong = check_table()
    if options.list:
        told = {}
        for _, area, behaviour, tests, _ in read_table():
            for name in tests:
                told.setdefault(name, []).append(f"{area}: {behaviour}")
        for name in beds.TESTS:
            print(name, *(f"    {line}" for line in told.get(name, [])), sep="\n")
        sys.exit(0)
    host = on_host("k2d-conformance", keep=options.keep)
    chosen = [name for name in beds.TESTS if not options.only or any(word in name for word in options.only)]
    if not chosen:
        sys.exit(f"no test holds {options.only}; suite.py --list tells all")
    begin = time.monotonic()
    os.makedirs(os.path.join(host.data, "scratch"), exist_ok=True)
    host.do("registry")
    k2d = K2d.on(host)
    suite = Suite(k2d, host, options.jobs)
    try:
        if wrong:
            suite.failed.append("table")
            print("FAIL the table tells the truth: " + "; ".join(wrong), flush=True)
        else:
            suite.passed += 1
            print("PASS the table tells the truth", flush=True)
        k2d.start()
        until(20, lambda: beds.is_ready(k2d.get("nodes")["items"][0]), "a node that is ready")
        suite.play(chosen)
        suite.leaves_nothing()
    finally:
        if not options.keep:
            k2d.stop()
        if suite.failed:
            print(f"     log: {keep_log(k2d.log, 'conformance-k2d.log')}", flush=True)
    print(f"took {time.monotonic() - begin:.0f} s" + "".join(f"\nfailed: {name}" for name in suite.failed))
    print(f"{suite.passed} passed, {len(suite.failed)} failed", flush=True)
    sys.exit(1 if suite.failed else 0)
