"""A Spark of one thread for tests, on a Java that it supports.

Belongs here: finding Java, the session's settings. Does not belong here: which functions run on it (`conftest`).
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Spark 4.3 runs on Java 17, 21 and 25, of the last from 25.0.3 on (SPARK-55852).
OLDEST_JAVA = {17: (17,), 21: (21,), 25: (25, 0, 3)}
_JAVA_FOLDERS = ("/usr/lib/jvm/*", "/Library/Java/JavaVirtualMachines/*/Contents/Home", "/opt/homebrew/opt/openjdk@*")


class NoJavaError(Exception):
    """Says which Java was found, and the way out."""


def _javas() -> Iterator[str]:
    """Where Java may be: where Spark itself would look, then where systems install it."""
    if home := os.environ.get("JAVA_HOME"):
        yield f"{home}/bin/java"
    if on_path := shutil.which("java"):
        yield on_path
    for pattern in _JAVA_FOLDERS:
        yield from (str(home / "bin" / "java") for home in sorted(Path("/").glob(pattern[1:])))


def _home_and_version(java: str) -> tuple[str, tuple[int, ...]] | None:
    """Ask Java itself, because what lies on the path may be a link, a shim or a stub."""
    try:
        told = subprocess.run(
            [java, "-XshowSettings:properties", "-version"], capture_output=True, text=True, check=False, timeout=60
        ).stderr
    except OSError:
        return None
    home, version = (
        re.search(rf"^\s*{name} = (.+)$", told, re.MULTILINE) for name in (r"java\.home", r"java\.version")
    )
    numbers = re.findall(r"\d+", version[1].partition("+")[0]) if version else ()
    return (home[1], tuple(map(int, numbers))) if home and numbers else None


def java_home() -> str:
    """The home of the first Java that Spark supports.

    Raises:
        NoJavaError: there is none; names those found.
    """
    found = []
    for java in dict.fromkeys(_javas()):
        if answer := _home_and_version(java):
            home, version = answer
            if version >= OLDEST_JAVA.get(version[0], (version[0] + 1,)):
                return home
            found.append(f"{'.'.join(map(str, version))} in {home}")
    msg = (
        f"Spark needs Java 17, 21 or 25 (25.0.3 or newer) and found {', '.join(found) or 'none'}. On Debian and Ubuntu: "
        "apt-get install openjdk-17-jre-headless; elsewhere set JAVA_HOME."
    )
    raise NoJavaError(msg)


@functools.cache
def missing() -> str | None:
    """What Spark lacks on this machine, None where it can start."""
    if importlib.util.find_spec("pyspark") is None:
        return "Spark needs pyspark: `make dev` installs every extra."
    try:
        java_home()
    except NoJavaError as error:
        return str(error)
    return None


def start(folder: Path) -> SparkSession:
    """Start `local[1]`, which writes into the folder and listens on the loopback only.

    Raises:
        NoJavaError: there is no Java that it supports.
    """
    os.environ |= {"JAVA_HOME": java_home(), "SPARK_LOCAL_IP": "127.0.0.1"}
    from pyspark.sql import SparkSession  # noqa: PLC0415 - an extra, and a second to import

    options = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        # Each sort and hash of a plan takes a page; of the default size a joined table's hundreds do not fit.
        "spark.buffer.pageSize": "1m",
        # The rows are few: what costs is planning each query and compiling it, in Spark and in Java.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.constraintPropagation.enabled": "false",
        "spark.sql.dataframeQueryContext.enabled": "false",
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder / "local"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
    }
    return SparkSession.builder.master("local[1]").appName("handrail tests").config(map=options).getOrCreate()


def stop(session: SparkSession) -> None:
    """End the session and its Java, which would otherwise keep its memory until this process ends."""
    from pyspark import SparkContext  # noqa: PLC0415 - as above

    gateway = SparkContext._gateway
    session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=60)
    SparkContext._gateway = SparkContext._jvm = None
