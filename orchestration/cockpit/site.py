"""Writes the cockpit of a published mart: pages that open from a folder or any static server, without a network.

Nothing on a page can run but the one script it was written with: names and texts are data, every value is escaped, and
the content security policy names the script and the style by their hashes. Customers lie in compressed shards, because
a browser that opens a folder may load scripts and nothing else, and a page a customer would be a folder of thousands.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.cockpit.blocks import shown
from orchestration.cockpit.customers import CustomerPage, customer_pages
from orchestration.cockpit.mart import Mart
from orchestration.cockpit.pages import PAGES
from orchestration.cockpit.texts import Texts, texts

if TYPE_CHECKING:
    import duckdb
    import jinja2

_HERE = Path(__file__).parent
_SHARD = 64
_NUMERIC = ("amount", "share", "number", "days")
_LINKED = ("index", "portfolio", "customer", "kpi", "warnings", "model", "quality", "night", "definitions")


def write_cockpit(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    *,
    company: str,
    as_of: date,
    currency: str,
    languages: Sequence[str],
) -> int:
    """Write the pages of the mart behind `connection` to `folder`, a folder a language; returns the number of files.

    Raises ValueError for a language there are no words for.
    """
    written = 0
    for language in languages:
        word = texts(language)
        site = _Site(Mart(connection, word), folder / language, company, as_of, currency)
        written += site.write()
    return written


class _Site:
    """The pages of one language."""

    def __init__(self, mart: Mart, folder: Path, company: str, as_of: date, currency: str) -> None:
        self.mart, self.folder = mart, folder
        style, script = (_HERE / "style.css").read_text("utf-8"), (_HERE / "script.js").read_text("utf-8")
        self._environment = _environment(mart.word)
        self._common = {
            "company": company,
            "as_of": as_of.isoformat(),
            "currency": currency,
            "style": style,
            "script": script,
            "policy": (
                f"default-src 'none'; style-src '{_source(style)}'; script-src '{_source(script)}' 'self' file:; "
                "img-src data:; base-uri 'none'; form-action 'none'"
            ),
            "pages": [(name, mart.word(f"page_{name}")) for name in _LINKED],
        }

    def write(self) -> int:
        """Write every page; returns the number of files."""
        (self.folder / "customers").mkdir(parents=True)
        pages = list(customer_pages(self.mart))
        shard_of = {page.code: at // _SHARD for at, page in enumerate(pages)}
        count = 0
        for number, shard in enumerate(_batched(pages, _SHARD)):
            self._write_shard(number, shard, shard_of)
            count += 1
        index = [[page.code, page.name, shard_of[page.code]] for page in pages]
        self._write_script("index", f"window.cockpit.index = {_json(index)};")
        for name in _LINKED:
            blocks = PAGES[name](self.mart) if name in PAGES else ()
            text = self._environment.get_template("page.html.j2").render(
                **self._common,
                title=self.mart.word(f"page_{name}"),
                current=name,
                blocks=blocks,
                shard_of=shard_of,
            )
            (self.folder / f"{name}.html").write_text(text, encoding="utf-8")
        return count + 1 + len(_LINKED)

    def _write_shard(self, number: int, shard: Sequence[CustomerPage], shard_of: dict[str, int]) -> None:
        template = self._environment.get_template("customer.html.j2")
        pages = {
            page.code: template.render(
                title=page.name, subtitle=page.subtitle, blocks=page.blocks, shard_of=shard_of
            )
            for page in shard
        }
        # Without the time of day, so that two equal nights give equal files.
        packed = gzip.compress(
            json.dumps(pages, ensure_ascii=False).encode("utf-8"), compresslevel=6, mtime=0
        )
        self._write_script(
            str(number), f'window.cockpit.shard = "{base64.b64encode(packed).decode("ascii")}";'
        )

    def _write_script(self, name: str, text: str) -> None:
        (self.folder / "customers" / f"{name}.js").write_text(text, encoding="utf-8")


def _environment(word: Texts) -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.globals.update(word=word, shown=shown, raw=_raw, numeric=_NUMERIC)
    return environment


def _raw(value: Any) -> str:
    """A number as a spreadsheet takes it, empty where it is not known."""
    if value is None or value != value:
        return ""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def _source(text: str) -> str:
    """How a content security policy names an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _json(value: Any) -> str:
    """JSON that stays JSON inside a script, whatever names are in it."""
    return (
        json.dumps(value, ensure_ascii=False)
        .replace("<", "\\u003c")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def _batched(pages: Sequence[CustomerPage], size: int) -> Iterator[list[CustomerPage]]:
    rest = iter(pages)
    while batch := list(islice(rest, size)):
        yield batch
