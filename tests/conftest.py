"""What every test starts from: a folder its whole run shares, and a process that knows no secret of another test."""

import os

# Two workers share the cores: threads of linear algebra and of XGBoost would only wait for each other, busily.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest

from orchestration import masking
from orchestration.home import remove
from tests.shared import RUN_FOLDER, run_folder


def pytest_configure() -> None:
    run_folder()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        remove(run_folder())
        del os.environ[RUN_FOLDER]


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_registry", masking._Registry())
