"""The archive of sources and the wheel, built as for a release, and the links of their README."""

from __future__ import annotations

import email
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

pytest.importorskip("build")
pytest.importorskip("hatchling")

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\(([^)\s]+)\)")
LEFT_OUT = ("__pycache__", ".git", ".venv*", ".build", ".hypothesis", ".*_cache", "screenshots")


def build(source: Path, out: Path, *kinds: str) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", *kinds, "-o", str(out), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def links(markdown: str) -> list[str]:
    found = LINK.findall(markdown)
    assert found
    return found


def relative(markdown: str) -> list[str]:
    return [each for each in links(markdown) if ":" not in each and not each.startswith("#")]


def readme_of(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Description-Content-Type"] == "text/markdown"
    return metadata.get_payload(decode=True).decode("utf-8")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with both: the wheel is made of the archive, as installers do it."""
    out = tmp_path_factory.mktemp("dist")
    build(ROOT, out)
    return out


def test_the_archive_holds_what_the_readme_names(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {"/".join(PurePosixPath(name).parts[1:]) for name in opened.getnames()}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = {each.partition("#")[0] for each in relative(text)}
    assert {"docs/images/panel.png", "benchmarks/RESULTS.md", "CONTRIBUTING.md"} <= named
    assert named <= names
    assert {"LICENSE", "Makefile", "hatch_build.py", "tests/conftest.py"} <= names
    # What those files name in turn, pictures and pages.
    for page in (each for each in named if each.endswith(".md")):
        text = (ROOT / page).read_text(encoding="utf-8")
        folder = PurePosixPath(page).parent
        for link in LINK.findall(text):
            if ":" not in link and not link.startswith("#"):
                target = (ROOT / folder / link.partition("#")[0]).resolve().relative_to(ROOT)
                assert target.as_posix() in names, (page, link)


def test_the_wheel_is_the_package_with_its_types_and_pages(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"nbstream/py.typed", "nbstream/views/static/widget.js"} <= set(names)
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"nbstream"}


def test_without_an_address_links_stay_relative(built):
    (wheel,) = built.glob("*.whl")
    assert readme_of(wheel) == (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("label", "written", "address"),
    [
        ("Source", "https://git.example/me/nbstream", "https://git.example/me/nbstream"),
        ("Repository", "https://git.example/me/nb.git/", "https://git.example/me/nb"),
        ("Homepage", "https://git.example/me/nb#readme", "https://git.example/me/nb"),
    ],
)
def test_with_an_address_every_link_is_absolute(tmp_path, label, written, address):
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT, "tests", "benchmarks"))
    project = (copy / "pyproject.toml").read_text()
    assert "[project.urls]" not in project
    urls = f'[project.urls]\n{label} = "{written}"\n\n[dependency-groups]\n'
    (copy / "pyproject.toml").write_text(project.replace("[dependency-groups]\n", urls))
    build(copy, tmp_path / "dist", "--wheel")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    before, after = (copy / "README.md").read_text(encoding="utf-8"), readme_of(wheel)
    assert relative(before)
    assert not relative(after)
    assert f"]({address}/raw/HEAD/docs/images/panel.png)" in after
    assert f"]({address}/blob/HEAD/docs/tools.md)" in after
    assert len(links(after)) == len(links(before))
    assert [each for each in links(before) if ":" in each] == [
        each for each in links(after) if not each.startswith(address)
    ]
