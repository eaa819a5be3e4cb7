"""Packages that ossicle needs or can use, by the metadata it was installed with."""

from collections.abc import Iterable
from importlib import metadata
from typing import TYPE_CHECKING

from ossicle.doctor.finding import Finding
from ossicle.errors import listing

if TYPE_CHECKING:
    from packaging.requirements import Requirement

PROJECT = "ossicle"


def examine_packages() -> list[Finding]:
    """Return a finding on the required packages, and one on each optional part (extra)."""
    try:
        about = metadata.metadata(PROJECT)
    except metadata.PackageNotFoundError:
        text = "ossicle runs from a folder and is not installed, so its packages are unknown"
        return [
            Finding("packages", "note", text, "pip install ossicle, or -e FOLDER of a checkout")
        ]
    try:
        from packaging.requirements import Requirement
    except ImportError:
        fix = "pip install packaging"
        return [Finding("packages", "broken", "the package 'packaging' is missing", fix)]
    needed = [Requirement(text) for text in metadata.requires(PROJECT) or ()]
    extras = about.get_all("Provides-Extra") or []
    return [_required(needed), *(_extra(needed, extra) for extra in sorted(extras))]


def installed_version(package: str) -> str | None:
    """Return the version of an installed package; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _required(needed: Iterable["Requirement"]) -> Finding:
    """Return what is wrong with the packages that every installation needs."""
    wanted = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = [fault for one in wanted if (fault := _fault(one))]
    if not wrong:
        return Finding("packages", "ok", f"all {len(wanted)} required packages are installed")
    names = " ".join(f"'{one.name}{one.specifier}'" for one in wanted if _fault(one))
    return Finding("packages", "broken", listing(wrong), f"pip install {names}")


def _extra(needed: Iterable["Requirement"], extra: str) -> Finding:
    """Return what is missing of an optional part."""
    wanted = [
        one
        for one in needed
        if one.marker is not None
        and one.marker.evaluate({"extra": extra})
        and not one.marker.evaluate({"extra": ""})
    ]
    wrong = [fault for one in wanted if (fault := _fault(one))]
    name = f"extra {extra}"
    if not wrong:
        return Finding(name, "ok", listing((one.name for one in wanted), 3))
    return Finding(name, "note", listing(wrong, 3), f"pip install '{PROJECT}[{extra}]'")


def _fault(wanted: "Requirement") -> str | None:
    """Return what is wrong with a package: it is missing, or its version does not fit."""
    version = installed_version(wanted.name)
    if version is None:
        return f"{wanted.name} is missing"
    if not wanted.specifier.contains(version, prereleases=True):
        return f"{wanted.name} is {version}, expected {wanted.specifier}"
    return None
