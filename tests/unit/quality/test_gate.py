"""The gate as a night sees it: what it blocks, keeps apart, releases and records."""

from __future__ import annotations

from gate_warehouse import Warehouse


def test_sound_rows_pass_every_rule(sound: Warehouse) -> None:
    report = sound.gate()
    assert report.blocking == ()
    assert [result.rule.id for result in report.results if result.status != "passed"] == []
    assert sound.rows("SELECT count(*) FROM staging.accepted_invoices") == [(1,)]
