"""Reasons of a score, said as facts: what raises or lowers it, how the value moved, and what would improve
it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from models_ml.features import BY_NAME, KNOWN_WITHOUT_LEDGER, NO_LEDGER, Feature
from models_ml.model import Model, contributions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Texts = NDArray[np.object_]

COLUMNS = (
    "as_of_date", "customer_code", "reason_rank", "feature", "reason_code", "direction",
    "contribution_log_odds", "feature_value", "prior_value", "unit", "reason_text", "improvement_text",
)  # fmt: skip
# A contribution below this moves the odds by less than 2 %: not a reason anyone should be told.
SMALLEST = 0.02
_ROWS_AT_ONCE = 100_000
_DECIMALS = {"ratio": 2, "index": 2}


def explain(
    frame: pd.DataFrame, prior: pd.DataFrame, *, as_of: date, model: Model, reasons_max: int
) -> pd.DataFrame:
    """Rows of ml.score_reason (COLUMNS) for the scored customers in `frame`, by customer and rank.

    prior: features.customer_cutoff_prior (customer_code, prior_cutoff_date, the features as they were then);
    a customer without a row there gets its present values only. A prospect (no months_of_history) is told that
    its payment behaviour is not known. At most one reason a reason code, the feature
    that says most; ranked by size, whichever way it points. Contributions are log-odds before calibration.
    """
    import pandas as pd

    ordered = frame.sort_values("customer_code", kind="stable", ignore_index=True)
    if ordered.empty or not model.features:
        return pd.DataFrame(columns=list(COLUMNS))
    blocks = [
        _explain_block(ordered.iloc[start : start + _ROWS_AT_ONCE], prior, as_of, model, reasons_max)
        for start in range(0, len(ordered), _ROWS_AT_ONCE)
    ]
    return pd.concat(blocks, ignore_index=True)


def _explain_block(
    ordered: pd.DataFrame, prior: pd.DataFrame, as_of: date, model: Model, reasons_max: int
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    shares, _ = contributions(model, ordered)
    row, column, rank = _strongest(shares, model.features, reasons_max)

    known = prior.drop_duplicates("customer_code").set_index("customer_code")
    known = known.reindex(ordered["customer_code"])
    since_all = pd.to_datetime(known["prior_cutoff_date"]).to_numpy()
    is_prospect = ordered["months_of_history"].isna().to_numpy(dtype=bool)[row]
    contribution = shares[row, column]
    value = np.full(len(row), np.nan)
    before = np.full(len(row), np.nan)
    text = np.full(len(row), "", dtype=object)
    improvement = np.full(len(row), None, dtype=object)
    for position, name in enumerate(model.features):
        at = np.flatnonzero(column == position)
        if not len(at):
            continue
        feature = BY_NAME[name]
        value[at] = _numbers(ordered, name)[row[at]]
        before[at] = _numbers(known, name)[row[at]]
        raises = contribution[at] > 0
        text[at] = _reason_texts(feature, value[at], before[at], since_all[row[at]], raises)
        advice = _improvement(feature, model.reference.medians.get(name))
        if advice:
            improvement[at[raises]] = advice
        if name not in KNOWN_WITHOUT_LEDGER:
            unseen = at[is_prospect[at]]
            text[unseen], improvement[unseen] = NO_LEDGER, None

    features = np.array(model.features, dtype=object)[column]
    return pd.DataFrame(
        {
            "as_of_date": as_of,
            "customer_code": ordered["customer_code"].to_numpy(dtype=object)[row],
            "reason_rank": rank,
            "feature": features,
            "reason_code": np.array([BY_NAME[n].reason_code for n in model.features], dtype=object)[column],
            "direction": np.where(contribution > 0, "raises", "lowers"),
            "contribution_log_odds": contribution,
            "feature_value": value,
            "prior_value": before,
            "unit": np.array([BY_NAME[n].unit for n in model.features], dtype=object)[column],
            "reason_text": text,
            "improvement_text": improvement,
        }
    )[list(COLUMNS)]


def display(values: Floats, unit: str) -> Texts:
    """Numbers as a reader sees them: shares in percent, ratios and indices with two decimals, others
    whole."""
    import numpy as np

    scaled = np.asarray(values, dtype="float64") * (100 if unit == "share" else 1)
    decimals = _DECIMALS.get(unit, 0)
    # Adding zero turns the -0 that rounding leaves into 0.
    rounded = np.round(scaled, decimals) + 0.0
    distinct, index = np.unique(rounded, return_inverse=True)
    suffix = " %" if unit == "share" else ""
    written = np.array([f"{v:,.{decimals}f}{suffix}" for v in distinct], dtype=object)
    return written[index.reshape(-1)]


def _strongest(
    shares: Floats, names: tuple[str, ...], reasons_max: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(row, column, rank from 1) of the reasons: the strongest column of each reason code, then the
    strongest codes."""
    import numpy as np

    size = np.abs(shares)
    codes = list(dict.fromkeys(BY_NAME[n].reason_code for n in names))
    columns = [np.array([i for i, n in enumerate(names) if BY_NAME[n].reason_code == c]) for c in codes]
    best_column = np.column_stack([c[np.argmax(size[:, c], axis=1)] for c in columns])
    best_size = np.take_along_axis(size, best_column, axis=1)
    order = np.argsort(-best_size, axis=1, kind="stable")[:, :reasons_max]
    chosen = np.take_along_axis(best_column, order, axis=1)
    row, place = np.nonzero(np.take_along_axis(best_size, order, axis=1) >= SMALLEST)
    return row, chosen[row, place], place + 1


def _reason_texts(
    feature: Feature, value: Floats, before: Floats, since: NDArray[np.datetime64], raises: NDArray[np.bool_]
) -> Texts:
    """The fact behind each reason. A movement is told where it points the same way as the contribution;
    otherwise the level is told, with the earlier value beside it, so that no text speaks against its
    direction."""
    import numpy as np
    import pandas as pd

    now, then = display(value, feature.unit), display(before, feature.unit)
    months = pd.Series(since)
    distinct = {m: pd.Timestamp(m).strftime("%B %Y") for m in months.dropna().unique()}
    when = months.map(distinct).fillna("").to_numpy(dtype=object)

    missing, no_prior = np.isnan(value), np.isnan(before) | (when == "")
    rose = (value > before) & (now != then)
    fell = (value < before) & (now != then)
    toward_risk = (
        np.where(feature.direction < 0, fell, rose) if feature.direction else np.zeros(len(value), bool)
    )
    away = np.where(feature.direction < 0, rose, fell) if feature.direction else np.zeros(len(value), bool)
    moved = ~missing & ~no_prior & np.where(raises, toward_risk, away)

    level = feature.label + " " + feature.verb + " " + now
    verb = np.where(rose, " rose from ", " fell from ").astype(object)
    movement = feature.label + verb + then + " to " + now + " since " + when
    unchanged = level + ", unchanged since " + when
    beside = level + " (" + then + " in " + when + ")"
    still = np.where(no_prior, level, np.where(now == then, unchanged, beside))
    return np.where(missing, feature.missing, np.where(moved, movement, still)).astype(object)


def _improvement(feature: Feature, median: float | None) -> str | None:
    """What brings the risk down, with the median of customers without an event as the mark."""
    import numpy as np

    if not feature.improvement or not feature.direction:
        return None
    if median is None:
        return f"{feature.improvement} would lower the risk"
    mark = display(np.array([median]), feature.unit)[0]
    return (
        f"{feature.improvement} would lower the risk; customers that did not default stand at {mark} (median)"
    )


def _numbers(frame: pd.DataFrame, name: str) -> Floats:
    import numpy as np
    import pandas as pd

    return pd.to_numeric(frame[name]).to_numpy(dtype="float64", na_value=np.nan)
