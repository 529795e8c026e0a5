"""Reads REST endpoints page by page, with retry and back-off, into JSON-lines files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestration.sources.config import RestSource, RestTable
from orchestration.sources.errors import SourceError, TransientSourceError

# What may stand at the end of cut JSON and is no value yet: part of a word, of a number or of an escape.
_BEGUN = re.compile(r"t|tr|tru|f|fa|fal|fals|n|nu|nul|,|-|[.]|[.]?[eE][+-]?|\\?u?[0-9a-fA-F]{0,4}")


def download(
    source: RestSource, table_name: str, table: RestTable, target: Path, *, since: str | None
) -> int:
    """Write every record of an endpoint to `target`, one JSON object a line; returns the number of records.

    The file appears only when the last page has arrived. Answers 429 and 5xx, answers cut short and broken
    connections are tried again with growing pauses (a Retry-After is obeyed by the client), then raise
    TransientSourceError; other refusals raise SourceError.
    """
    import requests
    from dlt.sources.helpers.requests import Client
    from dlt.sources.helpers.rest_client import RESTClient
    from dlt.sources.helpers.rest_client.auth import BearerTokenAuth

    where = f"source {source.name}, {table_name} ({source.url}/{table.path.lstrip('/')})"
    session = Client(
        request_timeout=source.timeout_seconds,
        request_max_attempts=source.attempts,
        request_backoff_factor=source.back_off_seconds,
        raise_for_status=False,
    ).session
    client = RESTClient(
        base_url=source.url,
        headers={name: value.get_secret_value() for name, value in source.headers.items()},
        auth=BearerTokenAuth(token=source.token.get_secret_value()) if source.token else None,
        session=session,
    )
    params: dict[str, Any] = dict(table.params)
    if table.page_size_param is not None:
        params[table.page_size_param] = table.page_size
    if since is not None and table.since_param is not None:
        params[table.since_param] = since
    partial = target.with_suffix(".partial")
    count = 0
    try:
        with partial.open("w", encoding="utf-8") as handle:
            pages = client.paginate(
                table.path,
                params=params,
                data_selector=table.records,
                paginator=_paginator(table),
                hooks={"response": [_checked(where, table)]},
            )
            for page in pages:
                for record in page:
                    if not isinstance(record, dict):
                        raise SourceError(
                            where,
                            f"a record is {type(record).__name__}, not an object",
                            valid="a list of JSON objects",
                            remedy="set `records` to the JSON path of the list",
                        )
                    handle.write(json.dumps(record, ensure_ascii=False) + "\n")
                    count += 1
    except (json.JSONDecodeError, requests.JSONDecodeError) as error:
        raise SourceError(
            where, "the answer is not JSON", valid="a JSON page of records", remedy="check `url` and `path`"
        ) from error
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        received = (
            f"answered HTTP {status} {error.response.reason if error.response is not None else ''}".strip()
        )
        if status == 429 or status >= 500:
            raise TransientSourceError(
                where, f"{received} after {source.attempts} attempts", remedy="try again later"
            ) from error
        remedy = "check `token` and its rights" if status in (401, 403) else "check `url` and `path`"
        raise SourceError(where, received, valid="HTTP 200", remedy=remedy) from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise TransientSourceError(
            where,
            f"the answer ends in the middle, at each of {source.attempts} attempts",
            remedy="try again later; where it stays so, ask the service for smaller pages (`page_size`)",
        ) from error
    except requests.RequestException as error:
        raise TransientSourceError(
            where,
            f"no answer after {source.attempts} attempts ({type(error).__name__})",
            remedy="check that the service is up and `url` is right",
        ) from error
    partial.replace(target)
    return count


def _checked(where: str, table: RestTable) -> Callable[..., None]:
    """A hook that lets through only a good answer that holds the list of records where it is said to be."""

    def check(response: Any, *_: Any, **__: Any) -> None:
        import requests
        from dlt.common.jsonpath import find_values

        response.raise_for_status()
        try:
            body = response.json()
        except requests.JSONDecodeError as error:
            if is_cut_short(error.doc):
                raise requests.exceptions.ChunkedEncodingError("the JSON ends in the middle") from error
            raise
        if table.records is not None and not find_values(table.records, body):
            found = ", ".join(body) if isinstance(body, dict) else type(body).__name__
            raise SourceError(
                where,
                f"the answer has no list at {table.records!r}",
                valid=f"found: {found or 'nothing'}",
                remedy="set `records` to the JSON path of the list",
            )

    return check


def is_cut_short(text: str) -> bool:
    """Whether `text` is the beginning of a JSON object or array: right as far as it goes, but ending too early."""
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        in_text = error.msg.startswith("Unterminated string")
        return in_text or _BEGUN.fullmatch(text[error.pos :].strip()) is not None
    return False


def _paginator(table: RestTable) -> Any:
    from dlt.sources.helpers.rest_client import paginators

    match table.paginator:
        case "page_number":
            return paginators.PageNumberPaginator(
                base_page=1, page_param=table.page_param, total_path=None, stop_after_empty_page=True
            )
        case "offset":
            return paginators.OffsetPaginator(
                limit=table.page_size, total_path=None, stop_after_empty_page=True
            )
        case "cursor":
            return paginators.JSONResponseCursorPaginator(
                cursor_path=table.next_path, cursor_param=table.page_param
            )
        case "next_url":
            return paginators.JSONLinkPaginator(next_url_path=table.next_path)
        case "link_header":
            return paginators.HeaderLinkPaginator()
        case _:
            return paginators.SinglePagePaginator()
