"""Models as files: one folder a model, written aside and renamed, and one small file that names the champion.

    <root>/<model_id>/  model.ubj | scorecard.json, calibrator.json, features.json, metrics.json, model.json,
                        walked_pd.f64, model_card.md
    <root>/champion.json  who became champion on which as-of date, oldest first; the last entry is in force

The same model gives the same bytes. Nothing is ever changed in place: a process killed at any moment leaves
the champion file as it was before or as it is after.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from models_ml.calibrate import Calibrator
from models_ml.features import BY_NAME
from models_ml.model import Champion, Model, Reference
from models_ml.monitor import Distribution
from models_ml.scorecard import Scorecard

CHAMPION_FILE = "champion.json"
# Little-endian float64, one a judged row; the expert table and models saved before models were walked have none.
WALKED_FILE = "walked_pd.f64"
# How a model's folder is written. Raise it where a program that knows the earlier layout alone would misread a model;
# models of another layout are set aside and made anew.
LAYOUT = 1
_ASIDE = ".aside-"
PROMOTED, BY_COMMAND, ROLLED_BACK = "promoted", "promoted_by_command", "rolled_back"


class RegistryError(RuntimeError):
    """A model or champion cannot be read or set; the message says which and how to mend it."""


class OtherLayoutError(RegistryError):
    """A model was saved in another layout than this program knows; made anew, it can be read."""


@dataclass(frozen=True)
class Entry:
    """One change of the scoring model. action: promoted (by a night), promoted_by_command, rolled_back;
    replaced: the model that scored until then."""

    as_of: date
    model_id: str
    role: str
    action: str
    reason: str
    replaced: str | None = None


def save(root: Path, model: Model) -> Path:
    """Write the model's folder; a model of this id that is already there is left as it is, unless it is of another
    layout. Returns the folder."""
    folder = _folder(root, model.model_id)
    if folder.exists():
        if not _is_of_other_layout(root, model.model_id):
            return folder
        shutil.rmtree(folder)
    root.mkdir(parents=True, exist_ok=True)
    aside = root / f"{_ASIDE}{model.model_id}"
    if aside.exists():  # left by a run that was killed
        shutil.rmtree(aside)
    aside.mkdir()
    for name, content in model_files(model).items():
        _write(aside / name, content)
    os.rename(aside, folder)
    return folder


def load(root: Path, model_id: str) -> Model:
    """Read a model. Raises RegistryError where it is absent or its files do not fit together, OtherLayoutError where
    it was saved in another layout."""
    folder = _folder(root, model_id)
    if not folder.is_dir():
        known = (
            sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
            if root.is_dir()
            else []
        )
        raise RegistryError(f"No model {model_id!r} in the registry; it holds {', '.join(known) or 'none'}")
    try:
        head = json.loads((folder / "model.json").read_text())
        if head.get("layout", 1) != LAYOUT:
            raise OtherLayoutError(
                f"Model {model_id} was saved by another version of trade-credit (layout {head['layout']}, this one "
                f"reads {LAYOUT}); it is set aside and made anew"
            )
        features = json.loads((folder / "features.json").read_text())
        ubj, card, walked = folder / "model.ubj", folder / "scorecard.json", folder / WALKED_FILE
        return Model(
            model_id=head["model_id"],
            kind=head["kind"],
            horizon_months=int(head["horizon_months"]),
            features=tuple(f["name"] for f in features["features"]),
            calibrator=Calibrator.from_json(json.loads((folder / "calibrator.json").read_text())),
            booster=ubj.read_bytes() if ubj.exists() else None,
            scorecard=Scorecard.from_json(json.loads(card.read_text())) if card.exists() else None,
            reference=_reference(features["reference"]),
            facts=head["facts"],
            metrics=tuple(json.loads((folder / "metrics.json").read_text())),
            walked_pd=walked.read_bytes() if walked.exists() else b"",
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RegistryError(
            f"Model {model_id} cannot be read ({type(error).__name__}: {error}); remove its folder and run "
            "again, the same data give the same model"
        ) from error


def find(root: Path, model_id: str) -> Model | None:
    """The model, or None where the registry does not hold it in this layout."""
    if not _folder(root, model_id).is_dir() or _is_of_other_layout(root, model_id):
        return None
    return load(root, model_id)


def history(root: Path) -> tuple[Entry, ...]:
    """Every change of champion, oldest first. Raises RegistryError where the file cannot be read."""
    path = root / CHAMPION_FILE
    if not path.exists():
        return ()
    try:
        return tuple(
            Entry(
                date.fromisoformat(e["as_of"]),
                e["model_id"],
                e["role"],
                e["action"],
                e["reason"],
                e["replaced"],
            )
            for e in json.loads(path.read_text())
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RegistryError(f"{CHAMPION_FILE} cannot be read ({error}); restore it or remove it") from error


def champion_before(root: Path, as_of: date) -> Champion | None:
    """The champion a night of `as_of` starts from: the last change before that date, or by command on it.

    A night's own promotion does not count, so a rerun starts from where the first run started. Raises OtherLayoutError
    where that model was saved in another layout; the night then starts without one.
    """
    entries = [e for e in history(root) if e.as_of < as_of or (e.as_of == as_of and e.action != PROMOTED)]
    if not entries:
        return None
    last = entries[-1]
    return Champion(load(root, last.model_id), last.role, last.as_of)


def barred(root: Path) -> frozenset[str]:
    """Models a night may not promote: rolled back from, and not promoted by command since."""
    names: set[str] = set()
    for entry in history(root):
        if entry.action == ROLLED_BACK and entry.replaced:
            names.add(entry.replaced)
        elif entry.action == BY_COMMAND:
            names.discard(entry.model_id)
    return frozenset(names)


def champion_at(root: Path, as_of: date) -> Champion | None:
    """The model that scores the night of `as_of`, its own promotion included; None where there never was
    one."""
    entries = [e for e in history(root) if e.as_of <= as_of]
    return (
        Champion(load(root, entries[-1].model_id), entries[-1].role, entries[-1].as_of) if entries else None
    )


def current(root: Path) -> Champion | None:
    """The champion in force, None where there never was one."""
    entries = history(root)
    return (
        Champion(load(root, entries[-1].model_id), entries[-1].role, entries[-1].as_of) if entries else None
    )


def promote(
    root: Path, model_id: str, *, as_of: date, role: str, reason: str, action: str = PROMOTED
) -> None:
    """Make a saved model the one that scores from `as_of` on. Repeating a night replaces its own entry."""
    load(root, model_id)
    entries = history(root)
    before = [e for e in entries if e.as_of < as_of or (e.as_of == as_of and action != PROMOTED)]
    same_day = [e for e in entries if e.as_of == as_of and e.action != PROMOTED and action == PROMOTED]
    after = [e for e in entries if e.as_of > as_of]
    kept = [*before, *same_day]
    if kept and (kept[-1].model_id, kept[-1].role) == (model_id, role):
        changed: list[Entry] = [*kept, *after]  # it scores already: no change to record
    else:
        replaced = kept[-1].model_id if kept else None
        changed = [*kept, Entry(as_of, model_id, role, action, reason, replaced), *after]
    if tuple(changed) != entries:
        _write_history(root, changed)


def rollback(root: Path, *, as_of: date, reason: str) -> Champion:
    """Let the model score again that did before the present one. Raises RegistryError where there is none."""
    entries = history(root)
    if not entries:
        raise RegistryError("There is no champion to roll back from")
    earlier = [e for e in entries if e.model_id != entries[-1].model_id]
    if not earlier:
        raise RegistryError(f"There is no other model before {entries[-1].model_id} to roll back to")
    target = earlier[-1]
    promote(
        root,
        target.model_id,
        as_of=max(as_of, entries[-1].as_of),
        role=target.role,
        reason=reason,
        action=ROLLED_BACK,
    )
    return Champion(load(root, target.model_id), target.role, max(as_of, entries[-1].as_of))


def model_files(model: Model) -> dict[str, bytes]:
    """Name and content of every file of the model's folder."""
    reference = model.reference
    files = {
        "model.json": _json(
            {
                "layout": LAYOUT,
                "model_id": model.model_id,
                "kind": model.kind,
                "horizon_months": model.horizon_months,
                "facts": model.facts,
            }
        ),
        "calibrator.json": _json(model.calibrator.to_json()),
        "features.json": _json(
            {
                "features": [
                    {"name": n, "unit": BY_NAME[n].unit, "direction": BY_NAME[n].direction}
                    for n in model.features
                ],
                "reference": {
                    "score": reference.score.to_json() if reference.score else None,
                    "features": {n: d.to_json() for n, d in reference.features.items()},
                    "medians": reference.medians,
                },
            }
        ),
        "metrics.json": _json(list(model.metrics)),
        "model_card.md": model_card(model).encode(),
    }
    if model.booster is not None:
        files["model.ubj"] = model.booster
    if model.walked_pd:
        files[WALKED_FILE] = model.walked_pd
    if model.scorecard is not None:
        files["scorecard.json"] = _json(model.scorecard.to_json())
    return files


def model_card(model: Model) -> str:
    """The model in words and figures, Markdown (after Mitchell et al., Model Cards for Model Reporting,
    2019)."""
    facts = model.facts
    lines = [
        f"# Model {model.model_id}",
        "",
        f"Kind: {model.kind}. Predicts: severe delinquency or default of a customer within "
        f"{model.horizon_months} months (target {facts.get('target')}: horizon, days past due, share of the "
        f"amount). Policy version: {facts.get('policy_version')}.",
        "",
        "## Data",
        "",
    ]
    if "train_from" in facts:
        lines += [
            "| | first cut-off | last cut-off | rows | customers with an event |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {words} | "
            + " | ".join(str(facts[f"{p}_{fact}"]) for fact in ("from", "to", "rows", "events"))
            + " |"
            for p, words in (("train", "learned from"), ("test", "judged on"))
        ]
        if "walk_forward_models" in facts:
            lines += [
                "",
                f"The judged cut-offs were scored by {facts['walk_forward_models']} models of the same recipe, each "
                "made from cut-offs whose horizon had ended before: no outcome that was learned from falls into what "
                "is judged. The model itself then learned from all of them. Customers in default at the cut-off and "
                "customers without the history a score needs are left out.",
            ]
        lines += [
            "",
            f"Data fingerprint: `{facts['data_fingerprint']}`",
        ]
    else:
        lines += ["Stated by policy, not learned from data."]
    lines += ["", "## Evaluation on the judged cut-offs", ""]
    overall = [m for m in model.metrics if m["segment"] == "all"]
    if overall:
        lines += ["| metric | value | 95 % interval |", "|---|---|---|"]
        lines += [
            f"| {m['metric']} | {_short(m['value'])} | {_short(m['lower_95'])} to {_short(m['upper_95'])} |"
            for m in overall
        ]
        lines += ["", "Intervals: bootstrap of customers and of periods."]
    else:
        lines += ["Not evaluated with the model; see the metrics of each night."]
    calibrator = model.calibrator
    lines += [
        "",
        "## Calibration",
        "",
        f"{calibrator.kind}"
        + (f", fitted on {calibrator.events} customers with an event" if calibrator.events else "")
        + ". Strictly rising: PDs rank customers as the model does. Level: the mean of the cut-offs' event rates.",
        "",
        "## Inputs",
        "",
        "| feature | unit | risk when it rises | meaning |",
        "|---|---|---|---|",
    ]
    words = {1: "rises", -1: "falls", 0: "free"}
    lines += [
        f"| {n} | {BY_NAME[n].unit} | {words[BY_NAME[n].direction]} | {BY_NAME[n].label} |"
        for n in model.features
    ]
    lines += [
        "",
        "## Limits of use",
        "",
        "Reasons are contributions in log-odds of the published PD and add up to it. They say what the model used, "
        "not what caused a default. Events that credit control prevented are counted as none.",
        "",
    ]
    return "\n".join(lines)


def _short(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4g}"


def _folder(root: Path, model_id: str) -> Path:
    if not model_id or Path(model_id).name != model_id or model_id.startswith("."):
        raise RegistryError(f"{model_id!r} is not a model id; an id looks like xgboost-0123456789ab")
    return root / model_id


def _is_of_other_layout(root: Path, model_id: str) -> bool:
    try:
        load(root, model_id)
    except OtherLayoutError:
        return True
    except RegistryError:
        return False  # A damaged model stays, and whoever reads it is told.
    return False


def _reference(data: dict[str, Any]) -> Reference:
    return Reference(
        Distribution.from_json(data["score"]) if data["score"] else None,
        {n: Distribution.from_json(d) for n, d in data["features"].items()},
        {n: float(v) for n, v in data["medians"].items()},
    )


def _write_history(root: Path, entries: list[Entry]) -> None:
    rows = [
        {
            "as_of": e.as_of.isoformat(),
            "model_id": e.model_id,
            "role": e.role,
            "action": e.action,
            "reason": e.reason,
            "replaced": e.replaced,
        }
        for e in entries
    ]
    aside = root / f"{_ASIDE}{CHAMPION_FILE}"
    _write(aside, _json(rows))
    os.replace(aside, root / CHAMPION_FILE)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
