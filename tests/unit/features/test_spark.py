"""Which Java the tests' Spark takes, and what it says without one."""

from __future__ import annotations

import pytest

from tests.unit.features import spark


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with these Javas: the version behind JAVA_HOME, the one on the path, those where systems install them."""

    def install(name: str, version: str) -> str:
        home = tmp_path / name
        java = home / "bin" / "java"
        java.parent.mkdir(parents=True)
        java.write_text(f'#!/bin/sh\necho "    java.home = {home}\n    java.version = {version}" >&2\n')
        java.chmod(0o755)
        return str(home)

    def make(home: str | None = None, path: str | None = None, installed: tuple[str, ...] = ()) -> None:
        monkeypatch.setenv("JAVA_HOME", install("home", home) if home else "")
        monkeypatch.setenv("PATH", f"{install('path', path)}/bin" if path else str(tmp_path))
        for version in installed:
            install(f"systems/{version}", version)
        monkeypatch.setattr(spark, "_JAVA_FOLDERS", (f"{tmp_path}/systems/*",))

    return make


@pytest.mark.parametrize(
    ("javas", "taken"),
    [
        ({"home": "21.0.1", "path": "17.0.15"}, "home"),
        ({"home": "11.0.2", "path": "17.0.15"}, "path"),
        ({"home": "1.8.0_392", "path": "24.0.1", "installed": ("25.0.3",)}, "systems/25.0.3"),
        ({"home": "25.0.2", "installed": ("21", "11.0.2")}, "systems/21"),
    ],
)
def test_the_first_java_that_spark_supports_is_taken(machine, tmp_path, javas, taken):
    machine(**javas)
    assert spark.java_home() == str(tmp_path / taken)


def test_without_a_java_the_way_out_is_told(machine):
    machine()
    with pytest.raises(spark.NoJavaError, match=r"found none\. .*apt-get install openjdk-17-jre-headless"):
        spark.java_home()


def test_a_java_too_old_is_named(machine):
    machine(path="11.0.2")
    with pytest.raises(spark.NoJavaError, match=r"found 11\.0\.2 in .*path"):
        spark.java_home()
