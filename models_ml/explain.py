"""Reasons of a score, said as facts: what raises or lowers it, how the value moved, and what would improve it.

All of the score is accounted for: the reasons told, all other facts taken together and the starting point add up to the
log-odds of the published PD, so (times the scale's factor) to the points.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from models_ml.features import BY_NAME, KNOWN_WITHOUT_LEDGER, NO_LEDGER, Feature
from models_ml.model import Model, bounded, contributions, predict_pd

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from models_ml.policy import ScoreRules

    Floats = NDArray[np.float64]
    Texts = NDArray[np.object_]

COLUMNS = (
    "as_of_date", "customer_code", "reason_rank", "feature", "reason_code", "direction",
    "contribution_log_odds", "feature_value", "prior_value", "unit", "reason_text", "improvement_text",
)  # fmt: skip
# A contribution below this moves the odds by less than 2 %: not a reason anyone should be told.
SMALLEST = 0.02
# The two rows that close the account of a score.
OTHERS, BASE = "all_other_facts", "starting_point"
OTHERS_CODE, BASE_CODE = "OTHER", "BASE"
# An improvement that takes less than this share off the PD is not worth telling anyone.
SMALLEST_IMPROVEMENT = 0.01
_ROWS_AT_ONCE = 100_000
_DECIMALS = {"ratio": 2, "index": 2}


def explain(
    frame: pd.DataFrame,
    prior: pd.DataFrame,
    *,
    as_of: date,
    model: Model,
    reasons_max: int,
    rules: ScoreRules,
) -> pd.DataFrame:
    """Rows of ml.score_reason (COLUMNS) for the scored customers in `frame`, by customer and rank.

    prior: features.customer_cutoff_prior (customer_code, prior_cutoff_date, the features as they were then);
    a customer without a row there gets its present values only. A prospect (no months_of_history) is told that
    its payment behaviour is not known. At most one reason a reason code, the feature
    that says most; ranked by size, whichever way it points. After them come all other facts in one sum (where there are
    any) and the starting point, the log-odds of a customer of whom the model knows nothing.

    Contributions are in log-odds of the published PD and add up to it. What would improve a score is told where the
    model, asked again with that one value changed to the median of customers without an event, gives a lower PD.
    """
    import pandas as pd

    ordered = frame.sort_values("customer_code", kind="stable", ignore_index=True)
    if ordered.empty or not model.features:
        return pd.DataFrame(columns=list(COLUMNS))
    blocks = [
        _explain_block(ordered.iloc[start : start + _ROWS_AT_ONCE], prior, as_of, model, reasons_max, rules)
        for start in range(0, len(ordered), _ROWS_AT_ONCE)
    ]
    return pd.concat(blocks, ignore_index=True)


def _explain_block(
    ordered: pd.DataFrame,
    prior: pd.DataFrame,
    as_of: date,
    model: Model,
    reasons_max: int,
    rules: ScoreRules,
) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    shares, base = published_contributions(model, ordered, rules)
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
        if name not in KNOWN_WITHOUT_LEDGER:
            text[at[is_prospect[at]]] = NO_LEDGER
            raises = raises & ~is_prospect[at]
        asked = at[raises]
        improvement[asked] = _improvements(ordered.iloc[row[asked]], feature, model, rules)

    features = np.array(model.features, dtype=object)[column]
    reasons = pd.DataFrame(
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
    )
    closing = _closing_rows(ordered, shares, base, row, contribution, as_of)
    parts = [reasons, *(part for part in closing if len(part))]
    together = pd.concat(parts, ignore_index=True).sort_values(
        ["customer_code", "reason_rank"], kind="stable", ignore_index=True
    )
    return together[list(COLUMNS)]


def published_contributions(model: Model, frame: pd.DataFrame, rules: ScoreRules) -> tuple[Floats, Floats]:
    """What each input adds to the log-odds of the published PD: (rows, len(model.features)), and the starting point
    (rows,); together they are the log-odds.

    Contributions to the margin come first. The way from margin to published PD is strictly rising, so the step it makes
    from the starting point to the customer is shared out in their proportion: sign and order hold.
    """
    import numpy as np
    from scipy.special import logit

    parts, base = contributions(model, frame)
    step = parts.sum(axis=1)
    start = logit(bounded(model.calibrator(base), rules))
    end = logit(bounded(model.calibrator(base + step), rules))
    # Where the facts outweigh each other exactly there is no step to share out; what one is worth is read beside it.
    small = np.abs(step) < 1e-9
    beside = logit(bounded(model.calibrator(base + 1e-3), rules))
    factor = np.where(small, (beside - start) / 1e-3, (end - start) / np.where(small, 1.0, step))
    return parts * factor[:, None], start


def _closing_rows(
    ordered: pd.DataFrame,
    shares: Floats,
    base: Floats,
    row: NDArray[np.int64],
    told: Floats,
    as_of: date,
) -> list[pd.DataFrame]:
    """All facts that were not told of each customer in one sum, and its starting point, ranked after its reasons."""
    import numpy as np
    import pandas as pd

    customers, facts = shares.shape
    count = np.bincount(row, minlength=customers)
    rest = shares.sum(axis=1) - np.bincount(row, weights=told, minlength=customers)
    left = facts - count
    codes = ordered["customer_code"].to_numpy(dtype=object)

    def rows(
        which: NDArray[np.bool_], feature: str, code: str, value: Floats, rank: NDArray[np.int64], text: Texts
    ) -> pd.DataFrame:
        n = int(which.sum())
        nothing = np.full(n, np.nan)
        return pd.DataFrame(
            {
                "as_of_date": as_of,
                "customer_code": codes[which],
                "reason_rank": rank[which],
                "feature": feature,
                "reason_code": code,
                "direction": np.where(value[which] > 0, "raises", "lowers"),
                "contribution_log_odds": value[which],
                "feature_value": nothing,
                "prior_value": nothing,
                "unit": "log_odds",
                "reason_text": text[which],
                "improvement_text": np.full(n, None, dtype=object),
            }
        )

    others = np.array(["All other facts taken together (" + str(n) + ")" for n in left], dtype=object)
    start = np.full(customers, "The starting point of every score, before anything is known", dtype=object)
    everyone = np.ones(customers, dtype=bool)
    return [
        rows(left > 0, OTHERS, OTHERS_CODE, rest, count + 1, others),
        rows(everyone, BASE, BASE_CODE, base, count + 1 + (left > 0), start),
    ]


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


def _improvements(frame: pd.DataFrame, feature: Feature, model: Model, rules: ScoreRules) -> Texts:
    """For each row, what would lower its PD, tried on the model: the one value brought to the median of customers
    without an event. None where nobody can change it, the value is no worse than that, or the PD would not fall."""
    import numpy as np

    told = np.full(len(frame), None, dtype=object)
    median = model.reference.medians.get(feature.name)
    if not len(frame) or not feature.improvement or not feature.direction or median is None:
        return told
    now = predict_pd(model, frame, rules)
    then = predict_pd(model, frame.assign(**{feature.name: median}), rules)
    value = _numbers(frame, feature.name)
    is_worse = np.isnan(value) | ((value - median) * feature.direction > 0)
    helps = np.flatnonzero(is_worse & (then <= now * (1 - SMALLEST_IMPROVEMENT)))
    mark = display(np.array([median]), feature.unit)[0]
    told[helps] = [
        f"{feature.improvement} would lower the risk: at {mark}, the median of customers that did not default, the "
        f"probability of default would be {then[i]:.2%} instead of {now[i]:.2%}"
        for i in helps
    ]
    return told


def _numbers(frame: pd.DataFrame, name: str) -> Floats:
    import numpy as np
    import pandas as pd

    return pd.to_numeric(frame[name]).to_numpy(dtype="float64", na_value=np.nan)
