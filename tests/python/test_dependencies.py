"""What the package is made of: licences and sources by deny.toml, and the list in the wheel."""

import json
import re
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DENY = tomllib.loads((ROOT / "deny.toml").read_text())


@pytest.fixture(scope="module")
def crates():
    """Every crate that the lock file can bring in, on any platform."""
    command = ["cargo", "metadata", "--locked", "--all-features", "--format-version", "1"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(told.stdout)["packages"]


def allowed(licence, names):
    """Whether an SPDX expression can be met with these licences."""
    # Some crates still write a slash for OR.
    tokens = re.findall(r"[()]|[^\s()/]+", licence.replace("/", " OR "))
    at = 0

    def one():
        nonlocal at
        token = tokens[at]
        at += 1
        if token == "(":
            inner = either()
            at += 1
            return inner
        if tokens[at : at + 1] == ["WITH"]:
            token = f"{token} WITH {tokens[at + 1]}"
            at += 2
        return token in names

    def both():
        nonlocal at
        met = one()
        while tokens[at : at + 1] == ["AND"]:
            at += 1
            met = one() and met
        return met

    def either():
        nonlocal at
        met = both()
        while tokens[at : at + 1] == ["OR"]:
            at += 1
            met = both() or met
        return met

    return either()


def test_licences_are_read_as_spdx_has_it():
    names = {"MIT", "ISC", "Apache-2.0 WITH LLVM-exception"}
    assert allowed("MIT", names)
    assert allowed("GPL-3.0 OR MIT", names)
    assert allowed("GPL-3.0/MIT", names)
    assert allowed("ISC AND (GPL-3.0 OR Apache-2.0 WITH LLVM-exception)", names)
    assert not allowed("Apache-2.0", names)
    assert not allowed("MIT AND GPL-3.0", names)
    assert not allowed("ISC AND (GPL-3.0 OR AGPL-3.0)", names)


def test_every_crate_has_a_licence_that_is_allowed(crates):
    names = set(DENY["licenses"]["allow"])
    assert len(crates) > 100
    wrong = [
        f"{crate['name']} {crate['version']}: {crate['license']}"
        for crate in crates
        if not crate["license"] or not allowed(crate["license"], names)
    ]
    assert not wrong, wrong


def test_every_crate_comes_from_the_registry(crates):
    registry = f"registry+{DENY['sources']['allow-registry'][0]}"
    foreign = [crate["id"] for crate in crates if crate["source"] not in (registry, None)]
    assert not foreign
    own = {crate["name"] for crate in crates if crate["source"] is None}
    assert own == {"kymograph", "kymograph-python"}
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    unsummed = [p["name"] for p in lock if "checksum" not in p and p["name"] not in own]
    assert not unsummed


def test_no_banned_crate_is_there(crates):
    banned = {ban["crate"] for ban in DENY["bans"]["deny"]}
    assert not banned & {crate["name"] for crate in crates}
    wild = [
        f"{crate['name']} asks for any {need['name']}"
        for crate in crates
        if crate["source"] is None
        for need in crate["dependencies"]
        if need["req"] == "*" and need.get("path") is None
    ]
    assert not wild


def test_the_wheel_lists_what_it_is_made_of(crates):
    files = metadata.distribution("kymograph").files or []
    lists = [file for file in files if ".dist-info/sboms/" in str(file)]
    assert lists, "the wheel has no software bill of materials (PEP 770)"
    bill = json.loads(lists[0].locate().read_text())
    assert bill["bomFormat"] == "CycloneDX"
    made_of = {(part["name"], part["version"]) for part in bill["components"]}
    versions = {(crate["name"], crate["version"]) for crate in crates}
    for name in ("kymograph", "pyo3", "arrow-array", "pco", "object_store", "sqlparser", "serde"):
        assert any(part == name for part, _ in made_of), f"{name} is not listed"
    assert made_of - {("kymograph-python", "0.1.0")} <= versions
