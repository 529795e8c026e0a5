"""Settings and result of one night's customer resolution."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ResolveSettings:
    """Thresholds of resolution; probabilities are match probabilities between 0 and 1.

    Their values are policy: the seed `match_rule`, read by `models_ml.policy.read_match_rules`.

    merge_probability: pairs at or above are one customer.
    review_probability: pairs at or above, below merging, are shown to a steward.
    keep_probability: pairs linked last night stay linked at or above; without it, a pair near the
        threshold would change its code back and forth as the model is retrained.
    same_system_probability: two numbers of one source system need this and two agreeing identifiers
        (address, phone, mail domain), for the source itself says that they are two.
    registration_probability: what an equal, valid registration number is worth at least, where names do
        not contradict.
    min_records_to_train, min_pairs_to_train: below, written-down weights are used.
    max_training_pairs: pairs sampled to estimate weights.
    recall_of_sure_pairs: share of true pairs that share a registration number, or name and an identifier.
    max_block_size: a key shared by more records makes no candidate pairs.
    """

    merge_probability: float
    review_probability: float
    keep_probability: float
    same_system_probability: float
    registration_probability: float
    min_records_to_train: int
    min_pairs_to_train: int
    max_training_pairs: int
    recall_of_sure_pairs: float
    max_block_size: int

    def __post_init__(self) -> None:
        errors = [
            f"{name} is {value}; a probability between 0 and 1 is valid"
            for name in (
                "merge_probability",
                "review_probability",
                "keep_probability",
                "same_system_probability",
                "registration_probability",
                "recall_of_sure_pairs",
            )
            if not 0 < (value := getattr(self, name)) <= 1
        ]
        if not self.review_probability <= self.keep_probability <= self.merge_probability:
            errors.append(
                "review_probability <= keep_probability <= merge_probability must hold; received "
                f"{self.review_probability}, {self.keep_probability}, {self.merge_probability}"
            )
        errors += [
            f"{name} is {value}; a whole number of at least {least} is valid"
            for name, least in (
                ("min_records_to_train", 2),
                ("min_pairs_to_train", 1),
                ("max_training_pairs", 1),
                ("max_block_size", 2),
            )
            if (value := getattr(self, name)) < least
        ]
        if errors:
            raise ValueError("; ".join(errors))


@dataclass(frozen=True)
class ResolveOutcome:
    """Counts of one night; the tables hold the rows.

    records: source customers; customers: customer codes carried by them; new_codes: issued tonight;
    merged_codes: codes that became an alias tonight; split_records: records that left their customer tonight;
    review_pairs: rows waiting for a steward; conflicts: links refused for contradicting evidence;
    decisions_applied, decisions_unmatched: steward decisions whose two records are, or are not, in the input;
    unknown_parents: records whose parent_customer_id is in no record of the same source;
    model, model_reason: 'trained' or 'default' weights, and why.
    """

    records: int
    customers: int
    new_codes: int
    merged_codes: int
    split_records: int
    accepted_pairs: int
    review_pairs: int
    conflicts: int
    decisions_applied: int
    decisions_unmatched: int
    groups: int
    unknown_parents: int
    model: str
    model_reason: str


class DecisionError(ValueError):
    """Steward decisions that are ill-formed or contradict one another; the text names rows and remedy."""
