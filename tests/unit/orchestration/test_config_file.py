"""Reading the configuration file: what is no configuration is refused at once, in words, and nothing of it is run."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from orchestration.settings import ConfigurationError, load_settings
from orchestration.sources.file_config import FileSource

SOUND = """\
company: Example Ltd
reporting_currency: EUR
time_zone: UTC
sources: {erp: {kind: files, tables: {customers: {files: a.csv}, invoices: {files: b.csv}}}}
"""
_AGAIN = ",".join


def said(path: Path) -> str:
    """What is told about the file at `path`; it may take no longer than a second."""
    started = time.perf_counter()
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, env={}, home=path.parent / "home")
    assert time.perf_counter() - started < 1
    return str(caught.value)


BOMB = "a0: &a0 [x, x, x]\n" + "".join(f"a{n}: &a{n} [{_AGAIN([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
MERGED = "a0: &a0 {a: 1, b: 2}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{_AGAIN([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000))


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        (BOMB, "company.yml:10: holds more than 50,000 values, aliases written out"),
        (MERGED, "company.yml:10: holds more than 50,000 values, aliases written out"),
        (f"x: [{'1,' * 200_000}]", "company.yml:5: holds more than 50,000 values"),
        (CHAIN, "company.yml:104: is nested deeper than 100 levels"),
        ("x: " + "[" * 100_000, "company.yml:5: is nested deeper than 100 levels"),
        ("x: " + "{a: " * 5_000, "company.yml:5: is nested deeper than 100 levels"),
        ("x:\n" + "".join(" " * n + "a:\n" for n in range(1, 1_500)), "is nested deeper than 100 levels"),
        ("model: &m {a: *m}", "company.yml:5: is not YAML (an alias stands inside what it repeats)"),
        ("? [a, b]\n: c", "company.yml:5: a list or mapping stands where a key belongs"),
        ("{{ name }}: c", "company.yml:5: a list or mapping stands where a key belongs"),
        (
            "x: !!python/object/apply:os.system ['touch /tmp/run']",
            "company.yml:5 x: a tag (!…) stands before",
        ),
        ("x: !!python/name:os.system", "company.yml:5 x: a tag (!…) stands before"),
        ("token: !hush8812 x", "company.yml:5 token: a tag (!…) stands before"),
        ("token: *hush8812", "company.yml:5: is not YAML (found undefined alias)"),
        ('x: "a\0b"', "company.yml:5: is not YAML (it holds the control character \\x00)"),
        ('x: "a\x1b[2J"', "company.yml:5: is not YAML (it holds the control character \\x1b)"),
        ('x: "a\\0b"', "company.yml:5 x: the value holds the character \\x00"),
        ("x: !!timestamp 2026-13-45", "company.yml:5 x: the value is read as timestamp and is none"),
        (
            f"x: !!int {'9' * 5_000}",
            "company.yml:5 x: the value is read as int and is none; put it in quotes",
        ),
        ("!!bool No: x", 'company.yml:5: key No is read as False; a key is text; put it in quotes: "No"'),
        ("null: x", "company.yml:5: key null is read as None"),
        ('"a\\nok\\u202e": x', "company.yml:5 a\\nok\\u202e: unknown key"),
        ("---\nx: 1", "is not YAML (but found another document)"),
        ("".join(f"k{n}: 1\n" for n in range(2_000)), "1,800 more problems"),
    ],
)
def test_what_is_no_configuration_is_refused_within_a_second(
    tmp_path: Path, added: str, expected: str
) -> None:
    path = tmp_path / "company.yml"
    path.write_text(SOUND + added + "\n", encoding="utf-8")
    text = said(path)
    assert expected in text
    assert "hush8812" not in text


def test_every_unusable_key_and_value_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "company.yml"
    path.write_text(SOUND + "!!int 1: x\ny: !!int 0x_\nz: !!python/tuple [a]\n", encoding="utf-8")
    assert said(path).startswith("configuration has 3 problems:\n  - company.yml:5: key 1 is read as 1;")


def test_file_of_megabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "company.yml"
    path.write_text("# " + "x" * 5_000_000, encoding="utf-8")
    assert "company.yml: is longer than 5 MB" in said(path)
    path.write_text("# " + "x" * 4_000_000 + "\n" + SOUND, encoding="utf-8")
    assert load_settings(path, env={}, home=tmp_path).company == "Example Ltd"


def test_only_a_file_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path, expected in (
        (tmp_path / "pipe", "is a device or a pipe, not a file"),
        (Path("/dev/zero"), "is a device or a pipe, not a file"),
        (tmp_path, "is a folder, not a file"),
        (tmp_path / "loop", "cannot be read ("),
        (tmp_path / ("x" * 5_000), "cannot be read ("),
        (tmp_path / "a\0b", "cannot be read (no valid path)"),
        (tmp_path / "forged\nok    Publication", "forged\\nok    Publication: no such file"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            load_settings(path, env={}, home=tmp_path)
        assert expected in str(caught.value)


def test_anchors_in_good_faith_are_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "company.yml"
    path.write_text(
        """
company: Example Ltd
reporting_currency: EUR
time_zone: UTC
sources:
  erp:
    kind: files
    tables:
      customers: &sent {files: a.csv, delivery: snapshot}
      invoices: {<<: *sent, files: b.csv}
      payments: *sent
""",
        encoding="utf-8",
    )
    source = load_settings(path, env={}, home=tmp_path).sources["erp"]
    assert isinstance(source, FileSource)
    read = {
        name: (Path(table.feeds[0].files[0]).name, table.delivery) for name, table in source.tables.items()
    }
    assert read == {
        "customers": ("a.csv", "snapshot"),
        "invoices": ("b.csv", "snapshot"),
        "payments": ("a.csv", "snapshot"),
    }


def test_values_of_a_mapping_stay_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "company.yml"
    path.write_text(
        SOUND.split("sources:")[0]
        + """
sources:
  erp:
    kind: files
    tables:
      invoices: {files: invoices.csv}
      customers:
        files: customers.csv
        fields:
          customer_id: No
          legal_name: Yes
          country: {constant: NO, because: all are Norwegian}
          segment: {default: 007, because: none is given}
          region: {constant: 1.50, because: as the ERP writes it}
          city: {constant: 12:30, because: no time of day}
          phone: {constant: 2026-01-31, because: no day}
""",
        encoding="utf-8",
    )
    fields = load_settings(path, env={}, home=tmp_path).sources["erp"].tables["customers"].feeds[0].fields
    assert [fields["customer_id"].column, fields["legal_name"].column] == ["No", "Yes"]
    assert [fields[name].constant for name in ("country", "region", "city", "phone")] == [
        "NO",
        "1.50",
        "12:30",
        "2026-01-31",
    ]
    assert fields["segment"].default == "007"


def test_open_items_are_invoices_and_stand_without_payments(tmp_path: Path) -> None:
    path = tmp_path / "company.yml"
    tables = (
        "{customers: {files: a.csv, delivery: open_items}, invoices: {files: b.csv, delivery: open_items}"
    )
    path.write_text(
        SOUND.split("sources:")[0]
        + f"sources:\n  erp: {{kind: files, tables: {tables}}}}}\n"
        + "  bank: {kind: files, tables: {payments: {files: c.csv, key_space: erp}}}\n",
        encoding="utf-8",
    )
    told = said(path)
    assert "tables.customers.delivery: open_items; for invoices alone" in told
    assert "tables.invoices.delivery: open_items, and payments are delivered too" in told
