#!/usr/bin/env python3
"""Compares the licence of every crate in the build with the list in deny.toml: the part of cargo-deny that matters most,
where cargo-deny itself is not installed. An expression passes when some choice of it is wholly on the list."""
import json
import os
import re
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def allowed():
    with open(os.path.join(ROOT, "deny.toml")) as file:
        text = re.sub(r"#.*", "", file.read())
    part = re.search(r"\[licenses\](.*?)(?=\n\[|\Z)", text, re.S)
    listed = re.search(r"^allow\s*=\s*\[(.*?)\]", part.group(1), re.S | re.M) if part else None
    return set(re.findall(r'"([^"]+)"', listed.group(1))) if listed else set()


def holds(expression, allow):
    """SPDX: OR is weaker than AND, WITH binds strongest; a slash is the old way to write OR."""
    words = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))

    def either():
        value = both()
        while words and words[0] == "OR":
            words.pop(0)
            value = both() or value
        return value

    def both():
        value = one()
        while words and words[0] == "AND":
            words.pop(0)
            value = one() and value
        return value

    def one():
        word = words.pop(0)
        if word == "(":
            value = either()
            words.pop(0)
            return value
        if words[:1] == ["WITH"]:
            words.pop(0)
            word = f"{word} WITH {words.pop(0)}"
        return word in allow

    return either()


def main():
    allow = allowed()
    if not allow:
        sys.exit("deny.toml has no [licenses] allow list")
    host = re.search(r"^host: (.*)$", subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout, re.M).group(1)
    metadata = json.loads(subprocess.run(["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", host], capture_output=True, text=True, check=True).stdout)
    used = {node["id"] for node in metadata["resolve"]["nodes"]}
    bad = sorted(f"{package['name']} {package['version']}: {package['license'] or 'no licence named'}"
                 for package in metadata["packages"] if package["id"] in used and not (package["license"] and holds(package["license"], allow)))
    if bad:
        sys.exit("not on the list of deny.toml:\n  " + "\n  ".join(bad))


if __name__ == "__main__":
    main()
