"""Reads REST endpoints page by page into JSON-lines files, and stops where a service never ends."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

from orchestration.sources.config import RestEndpoint, RestSource
from orchestration.sources.connectors.json_records import (
    DEEPEST,
    SEARCHED_CHARACTERS,
    LineWriter,
    endless,
    is_cut_short,
    kind_of,
    parse,
    prune,
    shown_key,
)
from orchestration.sources.connectors.requesting import Answer, Service, cut_short, shown_url
from orchestration.sources.errors import SourceError
from orchestration.sources.waiting import Watch

EMPTY_PAGES = 100
_ERROR_KEYS = ("error", "errors", "error_message", "errorMessage", "error_description", "fault", "exception")
_NO_ERROR = ("", "0", "no", "none", "null", "false", "ok", "success")


class _Page(NamedTuple):
    body: Any
    records: list[Any]
    answer: Answer


def download(
    source: RestSource,
    name: str,
    table: RestEndpoint,
    target: Path,
    *,
    keys: Sequence[str] = (),
    since: Mapping[str, str],
    watch: Watch | None = None,
) -> int:
    """Write every record of an endpoint to `target`, one JSON object a line; returns the number of records.

    `name` is what messages call it, `keys` tell its records apart, `since` are the parameters that ask for news alone.

    The file appears only when the last page has arrived. Answers 429 and 5xx, answers cut short and broken
    connections are tried again with growing pauses, or those a Retry-After asks for, then raise
    TransientSourceError; whatever else cannot be used raises SourceError. `watch` is told of long waits.
    """
    address = shown_url(f"{source.url}/{table.path.lstrip('/')}")
    where = f"source {source.name}, {name} ({address})"
    partial = target.with_suffix(".partial")
    count = 0
    try:
        service = Service(source, table, where, watch or Watch())
        writer = LineWriter(where, keys)
        with partial.open("w", encoding="utf-8") as handle:
            for number, page in enumerate(_pages(service, table, where, since), start=1):
                lines = writer.lines(number, page.records)
                try:
                    handle.writelines(lines)
                except OSError as error:
                    raise SourceError(
                        where,
                        f"the answer cannot be stored in {partial.parent} ({error.strerror})",
                        remedy="make room there",
                    ) from error
                count += len(lines)
                if not lines:
                    _check_for_error(service, table, where, page.body)
    except SourceError:
        raise
    # A service may send anything; what nobody foresaw is its error too, and is told as such.
    except Exception as error:
        raise SourceError(
            where,
            f"the answer cannot be used ({type(error).__name__})",
            valid="JSON pages of records",
            remedy="check `url`, `path` and `records`",
        ) from error
    partial.replace(target)
    return count


def _pages(service: Service, table: RestEndpoint, where: str, since: Mapping[str, str]) -> Iterator[_Page]:
    """The pages of an endpoint; raises SourceError where the service leads back to one it has given before."""
    params: dict[str, Any] = {**table.params, **since}
    if table.page_size_param is not None:
        params[table.page_size_param] = table.page_size
    if table.paginator == "offset":
        params.update(offset=0, limit=table.page_size)
    if table.paginator == "page_number":
        params[table.page_param] = 1
    url = service.address(table.path)
    reader = _Reader(where, table, service)
    followed: dict[str, int] = {}
    number = empty = 0
    while True:
        number += 1
        page = service.get(url, params, reader.page)
        yield page
        empty = empty + 1 if not page.records else 0
        if empty > EMPTY_PAGES:
            raise endless(where, f"the last {EMPTY_PAGES} pages were empty, and there is a next one")
        match table.paginator:
            case "page_number" | "offset" if not page.records:
                return
            case "page_number":
                params[table.page_param] += 1
            case "offset":
                # A service may give fewer rows than it was asked for.
                params["offset"] += len(page.records)
            case "cursor":
                cursor = reader.reference(page)
                if not cursor:
                    return
                if isinstance(cursor, (dict, list, bool)):
                    raise SourceError(
                        where,
                        f"the cursor after page {number} is a {kind_of(cursor)}, not a text or a number",
                        remedy="correct `next_path`",
                    )
                shown = ascii(service.without_secrets(str(cursor)))[:60]
                _note(where, followed, str(cursor), number, f"the cursor {shown} after page {number}")
                params[table.page_param] = cursor
            case "next_url" | "link_header":
                link = reader.reference(page) if table.paginator == "next_url" else _header_link(page.answer)
                if not link:
                    return
                if not isinstance(link, str):
                    raise SourceError(
                        where,
                        f"the link to the page after page {number} is a {type(link).__name__}, not a text",
                        remedy="correct `next_path`",
                    )
                url = service.follow(link, page.answer.url, number)
                _note(where, followed, url, number, f"the link after page {number} ({shown_url(url)})")
                params = {}
            case _:
                return


def _note(where: str, followed: dict[str, int], reference: str, number: int, what: str) -> None:
    """Remember where a page led; raises SourceError where an earlier page led there too."""
    if reference in followed:
        raise endless(where, f"{what} is that after page {followed[reference]} again")
    followed[reference] = number


class _Reader:
    """Finds records and references in answers; raises SourceError where they are not as configured."""

    def __init__(self, where: str, table: RestEndpoint, service: Service) -> None:
        from dlt.common.jsonpath import compile_path

        self._where, self._table = where, table
        self._attempts = service.attempts
        try:
            self._records_path = compile_path(table.records) if table.records is not None else None
            self._next_path = compile_path(table.next_path)
        except Exception as error:
            raise SourceError(
                where,
                "`records` or `next_path` is no JSON path",
                valid="for example data.items",
                remedy="correct it",
            ) from error

    def page(self, answer: Answer) -> _Page:
        """The records of an answer; raises BrokenAnswer where its end is missing."""
        body = self._json(answer)
        if self._records_path is None:
            from dlt.sources.helpers.rest_client.detector import find_response_page_data

            _, data = find_response_page_data(body)
        else:
            found = [match.value for match in self._records_path.find(body)]
            if not found:
                names = (
                    ", ".join(map(shown_key, list(body)[:20])) if isinstance(body, dict) else kind_of(body)
                )
                raise SourceError(
                    self._where,
                    f"the answer has no list at {self._table.records!r}",
                    valid=f"found: {names or 'nothing'}",
                    remedy="set `records` to the JSON path of the list",
                )
            data = found[0] if len(found) == 1 else found
        records = data if isinstance(data, list) else [] if data is None else [data]
        return _Page(body, records, answer)

    def reference(self, page: _Page) -> Any:
        """What stands at `next_path`."""
        found = self._next_path.find(page.body)
        return found[0].value if found else None

    def _json(self, answer: Answer) -> Any:
        text = self._text(answer)
        try:
            return parse(text)
        except json.JSONDecodeError as error:
            if is_cut_short(text):
                raise cut_short(self._attempts) from error
            raise SourceError(
                self._where,
                "the answer is not JSON",
                valid="a JSON page of records",
                remedy="check `url` and `path`",
            ) from error
        except RecursionError as error:
            try:
                if len(text) <= SEARCHED_CHARACTERS:
                    return parse(prune(text))
            except (json.JSONDecodeError, RecursionError):
                # Which record it is cannot be told.
                pass
            raise SourceError(
                self._where,
                f"the answer is nested deeper than {DEEPEST} levels",
                remedy="check `url` and `path`",
            ) from error

    def _text(self, answer: Answer) -> str:
        declared = Message()
        declared["content-type"] = answer.headers.get("content-type", "")
        charset = declared.get_content_charset()
        try:
            if charset is None or not codecs.lookup(charset)._is_text_encoding:
                charset = json.detect_encoding(answer.body)
        except LookupError:
            charset = json.detect_encoding(answer.body)
        if codecs.lookup(charset).name == "utf-8":
            charset = "utf-8-sig"
        try:
            return answer.body.decode(charset)
        except UnicodeDecodeError as error:
            # A character of several bytes may be what is cut.
            if error.end == len(answer.body) and error.reason.startswith(("unexpected end", "truncated")):
                raise cut_short(self._attempts) from error
            raise SourceError(
                self._where,
                f"the answer is not JSON: byte {error.start} is no {charset.removesuffix('-sig').upper()}",
                valid="JSON in UTF-8",
                remedy="check `url` and `path`",
            ) from error


def _check_for_error(service: Service, table: RestEndpoint, where: str, body: Any) -> None:
    """Raise SourceError where an answer without records says beside its empty list that something went wrong."""
    from dlt.common.jsonpath import find_values

    beside = (table.records or "").rpartition(".")[0]
    places = [body, *(find_values(beside, body) if beside else [])]
    for place in places:
        for key in _ERROR_KEYS if isinstance(place, dict) else ():
            value = place.get(key)
            if value and str(value).strip().lower() not in _NO_ERROR:
                shown = ascii(service.without_secrets(str(value)))[:200]
                raise SourceError(
                    where,
                    f"the answer holds no records but {key!r}: {shown}",
                    valid="records, or an empty list without an error",
                    remedy="mend what the service names, or correct `params`",
                )
        if isinstance(place, dict) and (
            place.get("success") is False
            or place.get("ok") is False
            or str(place.get("status")).lower() in ("error", "fail", "failed", "failure")
        ):
            raise SourceError(
                where,
                "the answer holds no records and says that the request failed",
                valid="records, or an empty list of a request that succeeded",
                remedy="correct `params`, or see to the service",
            )


def _header_link(answer: Answer) -> str | None:
    """The address with the relation `next` in a Link header (RFC 8288)."""
    from requests.utils import parse_header_links

    for link in parse_header_links(answer.headers.get("link", "")):
        if "next" in link.get("rel", "").lower().split():
            return link.get("url")
    return None
