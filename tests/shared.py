"""What a test run makes once: whichever worker needs it first makes it, the others wait and use the same files."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from orchestration.dbt_runner import dbt_target_dir, prepared_manifest

RUN_FOLDER = "TRADE_CREDIT_TEST_RUN"


def run_folder() -> Path:
    """The folder of this test run; workers are processes of the one that begins it and inherit it."""
    if RUN_FOLDER not in os.environ:
        os.environ[RUN_FOLDER] = tempfile.mkdtemp(prefix="trade-credit-run-")
    return Path(os.environ[RUN_FOLDER])


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name` of this test run, filled by the first call of `make`; copy from it, never write into it."""
    run = run_folder()
    folder, made = run / name, run / f"{name}.made"
    with (run / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


def parsed_project() -> Path:
    """A state folder that holds nothing but the parsed dbt project."""
    return made_once("parsed", prepared_manifest)


def spare_parsing(home: Path) -> None:
    """Give a new state folder the parsed project, as a second night would find it."""
    if not dbt_target_dir(home).exists():
        shutil.copytree(dbt_target_dir(parsed_project()), dbt_target_dir(home))
