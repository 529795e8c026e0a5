"""What a wheel of the project carries, installed away from the checkout: the commands find all they need in it."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment that sees the libraries of this one, and the wheel alone."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).with_name("uv")
    built = subprocess.run(
        [uv, "build", "--wheel", "--quiet", "--out-dir", folder, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode != 0 and "hatchling" in built.stderr and "fetch" in built.stderr:
        pytest.skip("hatchling is neither cached nor within reach, so that no wheel can be built")
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--no-deps", "--offline", "--python", python, wheel], check=True
    )
    (site,) = environment.glob("lib/python3*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
    return python.parent


def _command(installed: Path, elsewhere: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [installed / "trade-credit", *arguments],
        cwd=elsewhere,
        env={**environment, "TRADE_CREDIT_HOME": str(elsewhere / "home")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_installed_command_stands_ready_for_a_night_of_the_demo(installed: Path, tmp_path: Path) -> None:
    told = _command(installed, tmp_path, "--help")
    assert told.returncode == 0, told.stderr
    told = _command(installed, tmp_path, "doctor")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "Company: Demo Industrial Supplies" in told.stdout
    assert "dbt project: can be parsed" in told.stdout
    assert str(ROOT) not in told.stdout
