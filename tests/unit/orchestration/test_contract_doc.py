"""The contract page tells what the contract says."""

from orchestration.sources.contract_doc import PAGE, contract_page


def test_contract_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == contract_page(), (
        "run python -m orchestration.sources.contract_doc and commit docs/data_contract.md"
    )
