"""The one place that knows which connector reads which kind of source."""

from __future__ import annotations

from orchestration.sources.config import DatabaseSource, RestSource, Source
from orchestration.sources.connectors.database import Database
from orchestration.sources.connectors.files import Files
from orchestration.sources.connectors.protocol import Connector, Visit
from orchestration.sources.connectors.rest import Rest
from orchestration.sources.errors import SourceError
from orchestration.sources.file_config import FileSource


def connector_of(source: Source, visit: Visit) -> Connector:
    """The connector that reads a configured source."""
    match source:
        case DatabaseSource():
            return Database(source, visit)
        case FileSource():
            return Files(source, visit)
        case RestSource():
            return Rest(source, visit)


def probe(source: Source) -> str | None:
    """What is wrong with a source, or None where it can be read as configured."""
    connector = connector_of(source, Visit())
    try:
        connector.reachable()
        for table_name in source.tables:
            connector.check(table_name)
    except SourceError as error:
        return str(error)
    return None
