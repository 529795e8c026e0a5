"""Carries feeds into Parquet files, one a feed; nothing of it outlives the night."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.sources.connectors.file_formats import counting
from orchestration.sources.connectors.protocol import Feed
from orchestration.sources.errors import SourceError
from orchestration.sources.sql_text import literal
from orchestration.sources.waiting import Watch

if TYPE_CHECKING:
    import pyarrow as pa


def transport(
    feeds: Sequence[Feed],
    work: Path,
    *,
    notice: Callable[[str], None] | None = None,
    most_rows: int | None = None,
) -> dict[int, str]:
    """Carry every feed into a Parquet file below `work`; returns the relation to read each by.

    Parquet files, not tables: the warehouse file is not touched before every feed has arrived whole, and a killed
    transport leaves only files in a folder that the next night empties. `notice` is told when a feed is waited for.
    Of a feed no more than `most_rows` are carried; None for all.

    Raises SourceError where a feed breaks, whatever it broke with.
    """
    watch = Watch(notice)
    with watch:
        return {feed.number: _carry(feed, work, watch, most_rows) for feed in feeds}


def _carry(feed: Feed, work: Path, watch: Watch, most_rows: int | None) -> str:
    """Write the batches of a feed as they come, numbered in their order; answers the relation to read them by."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = work / f"{feed.landing_name}.parquet"
    writer: pq.ParquetWriter | None = None
    row = 0
    with ExitStack() as opened:
        for batch in _batches(feed, watch):
            if most_rows is not None:
                batch = batch.slice(0, most_rows - row)
            numbered = batch.append_column("_seq", counting(row, batch.num_rows))
            row += batch.num_rows
            if writer is None:
                # Opened here: the writer itself would take some paths for addresses of other file systems.
                sink = opened.enter_context(pa.OSFile(str(file), "wb"))
                writer = opened.enter_context(pq.ParquetWriter(sink, numbered.schema))
            writer.write_batch(numbered)
            if row == most_rows:
                break
    return _relation(feed, file if writer is not None else None)


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


def _relation(feed: Feed, file: Path | None) -> str:
    if file is not None:
        return f"read_parquet({literal(str(file))})"
    nothing = [f"cast(null as varchar) as c{number}" for number in range(len(feed.columns))]
    lines = ["null::bigint as _seq", "null::varchar as _source_file", "null::bigint as _source_row"]
    return f"(select {', '.join([*nothing, *lines])} where false)"
