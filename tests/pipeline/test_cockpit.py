"""The cockpit of a publication: it says what the mart says, runs nothing but its own script, needs no network."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pytest

from orchestration.cockpit.site import write_cockpit
from orchestration.cockpit.texts import LANGUAGES, texts
from orchestration.publication import damage, read_publication
from tests.pipeline.conftest import AS_OF, Company, command

HOSTILE = '</script><script>alert(1)</script>"\'><img src=x onerror=alert(2)> =HYPERLINK("http://x")'


class Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def mart(tmp_path_factory: pytest.TempPathFactory, published_template: Path) -> Path:
    """A published mart in which one customer has a hostile name."""
    path = tmp_path_factory.mktemp("mart") / "mart.duckdb"
    shutil.copyfile(published_template / "home/publication/current/mart.duckdb", path)
    with duckdb.connect(str(path)) as connection:
        for table in ("dim_customer", "customer_score", "worklist", "default_worklist"):
            connection.execute(
                f"update {table} set customer_name = ? where customer_code = 'C000003'", [HOSTILE]
            )
    return path


@pytest.fixture(scope="module")
def site(mart: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _written(mart, tmp_path_factory.mktemp("site") / "cockpit")


def _written(mart: Path, folder: Path) -> Path:
    with duckdb.connect(str(mart), read_only=True) as connection:
        write_cockpit(
            connection, folder, company="A <b>Company</b>", as_of=AS_OF, currency="USD", languages=LANGUAGES
        )
    return folder


def _customers(folder: Path) -> dict[str, str]:
    pages: dict[str, str] = {}
    for file in sorted((folder / "customers").glob("[0-9]*.js")):
        packed = re.fullmatch(r'window\.cockpit\.shard = "([A-Za-z0-9+/=]*)";', file.read_text())
        assert packed is not None
        pages |= json.loads(gzip.decompress(base64.b64decode(packed[1])))
    return pages


def test_a_publication_carries_its_cockpit_with_checksums(published_template: Path) -> None:
    publication = read_publication((published_template / "home/publication/current").resolve())
    assert "cockpit/en/index.html" in publication.files
    assert damage(publication, thorough=True) == []


def test_what_is_shown_is_what_the_mart_says(site: Path, mart: Path) -> None:
    with duckdb.connect(str(mart), read_only=True) as connection:
        [(exposure,)] = connection.execute("select sum(exposure_reporting) from fct_exposure").fetchall()
        names = connection.execute("select customer_name from worklist order by work_rank").fetchall()
        owed = dict(
            connection.execute(
                "select customer_code, open_receivables_reporting from fct_exposure"
            ).fetchall()
        )
    assert f"{exposure:,.0f}" in Page((site / "en/portfolio.html").read_text()).text
    today = Page((site / "en/index.html").read_text()).text
    assert all(name in today for (name,) in names)
    pages = _customers(site / "en")
    assert pages
    for code, text in pages.items():
        assert f"{owed[code]:,.0f}" in Page(text).text


def test_names_never_run(site: Path) -> None:
    for language in LANGUAGES:
        pages = [file.read_text() for file in (site / language).glob("*.html")] + list(
            _customers(site / language).values()
        )
        for text in pages:
            page = Page(text)
            assert [tag for tag, _ in page.tags if tag in ("img", "iframe", "object", "b")] == []
            assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
            assert sum(tag == "script" for tag, _ in page.tags) == text.startswith("<!doctype")
        index = (site / language / "customers/index.js").read_text()
        assert "<" not in index
        assert HOSTILE in [
            name for _, name, _ in json.loads(index.removeprefix("window.cockpit.index = ")[:-1])
        ]


def test_the_policy_lets_nothing_run_but_the_script_it_was_written_with(site: Path) -> None:
    for file in sorted(site.rglob("*.html")):
        text = file.read_text()
        policy = next(
            attributes["content"] or ""
            for tag, attributes in Page(text).tags
            if attributes.get("http-equiv") == "Content-Security-Policy"
        )
        for tag in ("script", "style"):
            [inline] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
            assert f"{tag}-src 'sha256-{digest}'" in policy, file
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_no_page_needs_a_network_and_every_link_leads_somewhere(site: Path) -> None:
    for language in LANGUAGES:
        codes = _customers(site / language)
        for file in (site / language).glob("*.html"):
            for _, attributes in Page(file.read_text()).tags:
                for name in ("href", "src"):
                    target = attributes.get(name)
                    if target is None:
                        continue
                    assert not re.match(r"[a-z]+:|//", target), (file, target)
                    page, _, place = target.partition("#")
                    assert (site / language / page).is_file(), (file, target)
                    if place:
                        code, shard = place.split("~")
                        assert code in codes
                        assert (site / language / f"customers/{shard}.js").is_file()


def test_equal_marts_give_equal_files(site: Path, mart: Path, tmp_path: Path) -> None:
    again = _written(mart, tmp_path / "again")
    files = [file.relative_to(site) for file in site.rglob("*") if file.is_file()]
    assert files
    assert all((site / file).read_bytes() == (again / file).read_bytes() for file in files)


def test_what_sources_do_not_deliver_is_said_and_not_shown_as_zero(site: Path) -> None:
    """The company delivers no limits: none is in force, and no utilisation is known."""
    page = Page(next(iter(_customers(site / "en").values()))).text
    assert re.search(r"Limit\s*–", page)
    assert texts("en")("nothing") in Page((site / "en/index.html").read_text()).text


def test_chinese_is_the_same_cockpit_in_other_words(site: Path) -> None:
    english, chinese = ((site / language / "index.html").read_text() for language in ("en", "zh"))
    assert len(Page(english).tags) == len(Page(chinese).tags)
    assert "今日待处理客户" in chinese
    assert '<html lang="zh-Hans"' in chinese


def test_the_command_writes_it_to_a_folder_and_not_over_another(
    published_template: Path, tmp_path: Path
) -> None:
    company = Company(published_template)
    asked = ["cockpit", "--config", str(company.config_path), "--language", "zh", str(tmp_path / "out")]
    done = command(company.home, *asked)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/zh/index.html").is_file()
    again = command(company.home, *asked)
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_as_of_is_the_night_of_the_publication(site: Path) -> None:
    assert (
        date.fromisoformat(re.findall(r"as of (\d{4}-\d{2}-\d{2})", (site / "en/kpi.html").read_text())[0])
        == AS_OF
    )
