"""Carries feeds into Parquet files with dlt; nothing of it outlives the night."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.sources.connectors.file_formats import counting
from orchestration.sources.connectors.protocol import Feed
from orchestration.sources.errors import SourceError
from orchestration.sources.mapping import literal
from orchestration.sources.waiting import Watch

if TYPE_CHECKING:
    import pyarrow as pa


def transport(
    feeds: Sequence[Feed], work: Path, *, notice: Callable[[str], None] | None = None
) -> dict[int, str]:
    """Carry every feed into Parquet files below `work` with dlt; returns the relation to read each by.

    Parquet files, not tables: they cost half the time of dlt's DuckDB destination, the warehouse file is not
    touched before a whole feed has arrived, and a killed transport leaves nothing behind. The pipeline's
    folder is new each night, so dlt keeps no state of its own. `notice` is told when a feed is waited for.

    Raises SourceError where a feed breaks, whatever it broke with.
    """
    if not feeds:
        return {}
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    import dlt
    from dlt.pipeline import trace

    # Even with telemetry off its trackers write an anonymous id into the user's or the system's folder.
    trace.TRACKING_MODULES = []

    watch = Watch(notice)

    def resource(feed: Feed) -> Any:
        def rows() -> Iterator[pa.RecordBatch]:
            seq = 0
            for batch in _batches(feed, watch):
                numbered = batch.append_column("_seq", counting(seq, batch.num_rows))
                seq += batch.num_rows
                yield numbered

        return dlt.resource(rows, name=feed.landing_name, write_disposition="append")

    data = work / "data"
    pipeline = dlt.pipeline(
        pipeline_name="landing",
        destination=dlt.destinations.filesystem(bucket_url=data.as_uri()),
        dataset_name="landing",
        pipelines_dir=str(work / "pipelines"),
    )
    try:
        with watch:
            pipeline.run([resource(feed) for feed in feeds], loader_file_format="parquet")
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None:
            # dlt takes Ctrl-C for a failure of its own.
            if isinstance(cause, (SourceError, KeyboardInterrupt)):
                raise cause from error
            cause = cause.__cause__ or cause.__context__
        raise
    return {feed.number: _relation(feed, data / "landing" / feed.landing_name) for feed in feeds}


def _batches(feed: Feed, watch: Watch) -> Iterator[pa.RecordBatch]:
    """The batches of a feed, each watched for; what breaks it leaves as SourceError."""
    batches = feed.batches()
    try:
        while True:
            with watch.over(feed.where, feed.longest) if feed.longest is not None else nullcontext():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch
    except (SourceError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    # Also what is no Exception: a panic of a library written in Rust.
    except BaseException as error:
        # An orchestrator ends a step from outside by an interruption of its own kind.
        if "Interrupt" in type(error).__name__:
            raise
        said = (str(error).strip().splitlines() or [""])[0][:300]
        raise SourceError(
            feed.where or feed.landing_name,
            f"reading broke off ({type(error).__name__}: {said})",
            remedy="see to the source, then run again",
        ) from error


def _relation(feed: Feed, folder: Path) -> str:
    columns = [f"c{number}" for number in range(len(feed.columns))]
    if any(folder.glob("*.parquet")):
        return f"read_parquet({literal(str(folder / '*.parquet'))})"
    nothing = [f"cast(null as varchar) as {name}" for name in columns]
    lines = ["null::bigint as _seq", "null::varchar as _source_file", "null::bigint as _source_row"]
    return f"(select {', '.join([*nothing, *lines])} where false)"
