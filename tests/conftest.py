"""What every test starts from: a process that knows no secret of another test's company."""

import pytest

from orchestration import masking


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_registry", masking._Registry())
