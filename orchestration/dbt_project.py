"""Where the dbt project lies, for all who read it or run it."""

from pathlib import Path

PROJECT_DIR = Path(__file__).resolve().parents[1] / "dbt_project"
