"""Where the time of a night goes, step by step, beside the same SQL run raw in DuckDB.

    python -m benchmarks.nightly [--customers N] [--nights N]

Runs the demo company's nights through the real command in a temporary state folder, reads each step's time from
Dagster's own record of the run, then executes the compiled SQL of every dbt model on a copy of the warehouse with
nothing around it. The ratio is what the orchestration, contracts, tests and bookkeeping cost over the engine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
import yaml

from orchestration.settings import DEMO_CONFIG

_STAGES = ("dbt_staging", "dbt_transform", "dbt_serve")


@dataclass(frozen=True)
class Night:
    """One night as measured from outside and by its own record; seconds, and MiB of memory at the peak."""

    wall_seconds: float
    peak_mib: float
    steps: dict[str, float]

    @property
    def around_seconds(self) -> float:
        """Start, imports, planning and exit: what lies outside every step."""
        return self.wall_seconds - sum(self.steps.values())


def main() -> None:
    """Print one table a night."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--nights", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        config = _demo_config(Path(folder), arguments.customers)
        for number in range(1, arguments.nights + 1):
            night = _run_night(home, config)
            raw = _raw_models(home, Path(folder) / "raw")
            _print(number, night, raw, home)


def _demo_config(folder: Path, customers: int) -> Path:
    config = yaml.safe_load(DEMO_CONFIG.read_text(encoding="utf-8"))
    config["demo"]["customers"] = customers
    path = folder / "demo.yml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def _run_night(home: Path, config: Path) -> Night:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    start = time.monotonic()
    outcome = subprocess.run(
        [str(Path(sys.executable).with_name("trade-credit")), "run", "--config", str(config)],
        env={**os.environ, "TRADE_CREDIT_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.monotonic() - start
    if outcome.returncode != 0:
        sys.exit(f"the night failed:\n{outcome.stderr}")
    peak = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    return Night(wall, peak / 1024, _step_seconds(home))


def _step_seconds(home: Path) -> dict[str, float]:
    import dagster as dg

    run_id = json.loads((home / "last_run.json").read_text(encoding="utf-8"))["run_id"]
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        stats = instance.get_run_step_stats(run_id)
    return {
        step.step_key: step.end_time - step.start_time
        for step in sorted(stats, key=lambda step: step.start_time or 0)
        if step.start_time is not None and step.end_time is not None
    }


def _raw_models(home: Path, folder: Path) -> dict[str, float]:
    """Seconds DuckDB needs for the compiled SQL of each stage's models, in dependency order, one by one."""
    # Compiled SQL names its catalog, which DuckDB takes from the file's name.
    folder.mkdir(exist_ok=True)
    copy = folder / "warehouse.duckdb"
    shutil.copy(home / "warehouse.duckdb", copy)
    nodes = json.loads((home / "dbt" / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    models: dict[str, Any] = {key: node for key, node in nodes.items() if node["resource_type"] == "model"}
    order = TopologicalSorter(
        {
            key: [parent for parent in node["depends_on"]["nodes"] if parent in models]
            for key, node in models.items()
        }
    ).static_order()
    seconds: dict[str, float] = defaultdict(float)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("set threads = 2")
        for key in order:
            node = models[key]
            compiled = home / "dbt" / "compiled" / "trade_credit" / node["original_file_path"]
            if not compiled.is_file():
                continue
            kind = "view" if node["config"]["materialized"] == "view" else "table"
            start = time.monotonic()
            if kind == "table":
                connection.execute(
                    f"create or replace temp table measured as {compiled.read_text(encoding='utf-8')}"
                )
            seconds[next(stage for stage in _STAGES if stage.removeprefix("dbt_") in node["tags"])] += (
                time.monotonic() - start
            )
    copy.unlink()
    return seconds


def _print(number: int, night: Night, raw: dict[str, float], home: Path) -> None:
    print(f"\nnight {number}: {night.wall_seconds:.1f} s wall, {night.peak_mib:,.0f} MiB at the peak")
    print(f"  {'step':<32}{'seconds':>9}{'raw SQL':>9}{'ratio':>7}")
    print(f"  {'start, import, plan, exit':<32}{night.around_seconds:>9.1f}")
    for step, seconds in night.steps.items():
        if raw.get(step, 0.0) >= 0.05:  # views cost the engine nothing to define
            print(f"  {step:<32}{seconds:>9.1f}{raw[step]:>9.1f}{seconds / max(raw[step], 0.01):>7.1f}")
        else:
            print(f"  {step:<32}{seconds:>9.1f}")
    engine = sum(raw.values())
    print(
        f"  {'all SQL models':<32}{sum(night.steps.get(stage, 0) for stage in _STAGES):>9.1f}{engine:>9.1f}"
    )
    print(f"  warehouse {(home / 'warehouse.duckdb').stat().st_size / 1024**2:,.0f} MiB")


if __name__ == "__main__":
    main()
