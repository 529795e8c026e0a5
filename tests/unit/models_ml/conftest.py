"""The project's own policy, one population and one night of learning, shared by the tests of the models."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest
from population import population

from models_ml.learn_and_score import LearnOutcome, learn
from models_ml.policy import Policy
from models_ml.train import LearnSettings
from tests.factories import seeded_policy

AS_OF = date(2025, 12, 31)


@pytest.fixture(scope="session")
def policy() -> Policy:
    """The seeds as they are, with fewer resamples to keep the tests quick."""
    read = seeded_policy(as_of=AS_OF)
    return replace(read, gates=replace(read.gates, bootstrap_samples=200))


@pytest.fixture(scope="session")
def training() -> pd.DataFrame:
    return population(customers=500, first_cutoff="2023-06-30", cutoff_count=31, as_of=AS_OF)


@pytest.fixture(scope="session")
def settings() -> LearnSettings:
    return LearnSettings()


@pytest.fixture(scope="session")
def outcome(training: pd.DataFrame, policy: Policy, settings: LearnSettings) -> LearnOutcome:
    return learn(training, as_of=AS_OF, settings=settings, policy=policy)
