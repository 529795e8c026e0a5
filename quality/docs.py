"""The Data Docs as files that need no network: styles come with the page, and the first page is our own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from quality.catalog import MART

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PAGES = "tables"

# Keys and messages from the data longer than this are cut, and what has no shape is written out, but for what
# Persian, Hindi and French need between letters.
_LONGEST_KEY = 300
_LONGEST_MESSAGE = 3_000
_KEPT = "\u200c\u200d\xa0\u202f\u3000"

# What Great Expectations would fetch when a page is opened, and its links to pages that are not made.
_FETCHED = re.compile(
    r"<link\b[^>]*>|<script\b[^>]*src=\"https?://[^>]*>\s*</script>|<img\b[^>]*src=\"https?://[^>]*>",
    re.IGNORECASE,
)
_DEAD_LINK = re.compile(r'<a href="[./]*expectations/[^"]*"\s*>([^<]*)</a>')
_LOGO_LINK = re.compile(r'<a href="[./]*index\.html">\s*</a>')
_ROOT = re.compile(r'href="(?:\.\./)+index\.html"')

# The page's own filter is written for a library from the network; these take its place.
_FILTER = """<script>
function showRows(shown) {
  document.querySelectorAll(".hide-succeeded-validation-target-child").forEach(
    (cell) => { cell.parentElement.hidden = !shown; });
}
function showAllValidations() { showRows(true); }
function hideSucceededValidations() { showRows(false); }
</script>"""


@cache
def _style() -> str:
    return f"<style>\n{(Path(__file__).parent / 'docs.css').read_text(encoding='utf-8')}</style>"


def without_network(page: str) -> str:
    """A page of Great Expectations, one folder below the first page, that shows the same without fetching anything."""
    page = _DEAD_LINK.sub(r"\1", _FETCHED.sub("", page))
    page = _ROOT.sub('href="../index.html"', _LOGO_LINK.sub("", page))
    return page.replace("</head>", f"{_style()}\n</head>", 1).replace("</body>", f"{_FILTER}\n</body>", 1)


def _build_pages(docs: Docs) -> None:
    """One page a table under docs_dir/tables: what Great Expectations says of it, then what the scan found in it.

    Those of an earlier night are replaced; pages of marts join those of accepted tables, which were judged before.
    Built aside, because a site of Great Expectations removes pages that are not its own.
    """
    if not all(table.startswith(MART) for table in docs.tables):
        shutil.rmtree(docs.folder / PAGES, ignore_errors=True)
    with TemporaryDirectory() as aside:
        _build_site(docs.context, Path(aside))
        for page in Path(aside).glob("validations/**/*.html"):
            # validations/<suite, its dots as folders>/<run name>/<run time>/<batch>.html
            table = ".".join(page.relative_to(aside).parts[1:-3])
            target = docs.folder / PAGES / f"{table}.html"
            target.parent.mkdir(parents=True, exist_ok=True)
            text = without_network(page.read_text(encoding="utf-8"))
            found = [finding for finding in docs.findings if finding[3] == table]
            listed = f'<div class="container"><h2>What the scan found</h2>{_listed(found)}</div>'
            target.write_text(text.replace("</body>", f"{listed}\n</body>", 1), encoding="utf-8")


def _build_site(context: Any, folder: Path) -> None:
    for site in list(context.get_site_names()):
        context.delete_data_docs_site(site)
    context.add_data_docs_site(
        "data_docs",
        {
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(folder.resolve()),
            },
            # The result pages show every expectation already; pages of the suites would only repeat them.
            "site_section_builders": {
                "expectations": "none",
                "profiling": "none",
                "validations": {
                    "class_name": "DefaultSiteSectionBuilder",
                    "source_store_name": "validation_results_store",
                    "renderer": {
                        "module_name": "great_expectations.render.renderer.page_renderer",
                        "class_name": "ValidationResultsPageRenderer",
                    },
                },
            },
            "show_how_to_buttons": False,
        },
    )
    context.build_data_docs()


def shown(text: str, longest: int = _LONGEST_KEY) -> str:
    """`text` from the data as a page may hold it: escaped for HTML, cut, and turning no line of writing around."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return escape("".join(c if c.isprintable() or c in _KEPT else ascii(c)[1:-1] for c in cut))


@dataclass(frozen=True)
class Docs:
    """Data Docs that can be written when nobody waits for them: all they show has been read.

    `context` is Great Expectations' own, with what it validated of `tables`; `judged` and `findings` are rows of
    ops.dq_result on `as_of`, of both gates, so that either can write the first page and the second keeps what the
    first found.
    """

    folder: Path
    as_of: date
    company: str
    context: Any
    tables: tuple[str, ...]
    judged: Sequence[tuple[Any, ...]]
    findings: Sequence[tuple[Any, ...]]

    @property
    def index(self) -> Path:
        """The first page."""
        return self.folder / "index.html"

    def write(self) -> Path:
        """Write the pages and index.html; answers the path of that. Needs no connection."""
        _build_pages(self)
        return _write_index(self)


def read_docs(
    con: DuckDBPyConnection,
    folder: Path,
    *,
    as_of: date,
    company: str,
    context: Any,
    tables: Iterable[str],
) -> Docs:
    """What the Data Docs of a gate show, read from ops.dq_result."""
    judged = con.execute(
        """
        SELECT table_name, count(*), count(*) FILTER (WHERE status = 'failed'),
            count(*) FILTER (WHERE status = 'error'), count(*) FILTER (WHERE status = 'not_applicable')
        FROM ops.dq_result WHERE as_of_date = ?
        GROUP BY 1 ORDER BY 4 DESC, 3 DESC, 1
        """,
        [as_of],
    ).fetchall()
    findings = con.execute(
        """
        SELECT status, severity, rule_id, table_name, owner, dimension, expected, message, remedy, sample_keys[:5]
        FROM ops.dq_result WHERE as_of_date = ? AND status IN ('failed', 'error')
        ORDER BY status, severity = 'block' DESC, severity = 'quarantine' DESC, rows_failed DESC, rule_id
        """,
        [as_of],
    ).fetchall()
    return Docs(folder, as_of, company, context, tuple(tables), judged, findings)


def _write_index(docs: Docs) -> Path:
    """Write index.html: every table judged on the day, what failed first."""
    docs_dir, as_of, tables, findings = docs.folder, docs.as_of, docs.judged, docs.findings
    title = f"{shown(docs.company)}: data quality on {as_of}"
    lines = [
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="UTF-8"><title>{title}</title>',
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{_style()}</head>',
        f"<body><h1>{title}</h1>",
        f"<p>{sum(row[1] for row in tables):,} rules over {len(tables):,} tables; {len(findings):,} found something. "
        "Tables that begin with mart. are what is published, the others what the sources delivered.</p>",
        f"<h2>What was found</h2>{_listed(findings, docs_dir)}",
    ]
    lines.append(
        "<h2>Every table</h2><table><thead><tr><th>Table</th><th class='number'>Rules</th>"
        "<th class='number'>Failed</th><th class='number'>Could not run</th><th class='number'>Not applicable</th>"
        "</tr></thead><tbody>"
    )
    for table, *counts in tables:
        cells = "".join(f'<td class="number">{count:,}</td>' for count in counts)
        lines.append(f"<tr><td>{_link(docs_dir, table)}</td>{cells}</tr>")
    lines.append("</tbody></table></body></html>\n")
    index = docs.index
    docs_dir.mkdir(parents=True, exist_ok=True)
    index.write_text("\n".join(lines), encoding="utf-8")
    return index


def _link(docs_dir: Path, table: str) -> str:
    """The table's name, leading to its page where one was made."""
    page = f"{PAGES}/{table}.html"
    return f'<a href="{quote(page)}">{escape(table)}</a>' if (docs_dir / page).is_file() else escape(table)


def _listed(findings: Sequence[tuple[Any, ...]], docs_dir: Path | None = None) -> str:
    """A table of findings: what, whose, and what to do; with `docs_dir`, each leads to the page of its table."""
    lines = [
        "<table><thead><tr><th>Found</th><th>Rule</th><th>Whose</th><th>What to do</th></tr></thead><tbody>"
    ]
    for status, severity, rule, table, owner, dimension, expected, message, remedy, keys in findings:
        word = "could not run" if status == "error" else severity
        said = [shown(message or "", _LONGEST_MESSAGE), "; ".join(map(shown, keys or []))]
        found = "<br>".join(part for part in said if part)
        where = escape(table) if docs_dir is None else _link(docs_dir, table)
        lines.append(
            f'<tr><td class="{escape(status)}">{escape(word)}</td><td>{escape(rule)} ({where})<br>'
            f"{escape(expected)}<br>{found}</td><td>{escape(owner)}<br>{escape(dimension)}</td>"
            f"<td>{escape(remedy)}</td></tr>"
        )
    return "\n".join([*lines, "</tbody></table>"])
