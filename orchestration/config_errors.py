"""Says a validation error of the configuration in the words of its file, with the keys that are valid there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from orchestration.config_file import Path_, Places
from orchestration.config_file import Problem as Problem
from orchestration.sources.errors import closest


def explain(detail: Any, places: Places, root: type[BaseModel]) -> Problem:
    """One error that pydantic found in the section `root`, in the words of the file."""
    path: Path_ = tuple(detail["loc"])
    kind = detail["type"]
    if kind == "extra_forbidden":
        valid = sorted(_keys_at(root, path[:-1]))
        nearest = closest(str(path[-1]), valid)
        hint = f"did you mean {nearest!r}? " if nearest else ""
        return places.problem(path, "unknown key", f"{hint}valid: {', '.join(valid)}")
    if kind == "missing":
        return places.problem(path, "is missing", "this key is required")
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        path = (*path, "kind")
        received = "is missing" if kind == "union_tag_not_found" else places.received(path)
        return places.problem(path, received, "valid: database, files, rest")
    message = str(detail["msg"]).removeprefix("Value error, ")
    return places.problem(path, places.received(path), message[:1].lower() + message[1:])


def _keys_at(root: type[BaseModel], path: Path_) -> set[str]:
    """The keys the section at a validation path accepts."""
    current: list[Any] = [root]
    for part in path:
        following: list[Any] = []
        for annotation in current:
            following.extend(_step(annotation, part))
        current = following
    keys: set[str] = set()
    for model in _models(current):
        keys |= {field.alias or name for name, field in model.model_fields.items()}
    return keys - {"home", "config_path", "name"}


def _step(annotation: Any, part: str | int) -> Iterator[Any]:
    """Annotations one validation step below `annotation`: a key, a position, or the tag of a union."""
    for option in _unwrap(annotation):
        origin = get_origin(option)
        if isinstance(option, type) and issubclass(option, BaseModel):
            kind = option.model_fields.get("kind")
            if kind is not None and part in get_args(kind.annotation):
                yield option
            for name, field in option.model_fields.items():
                if part in (name, field.alias):
                    yield field.annotation
        elif origin is dict:
            yield get_args(option)[1]
        elif origin is tuple:
            yield get_args(option)[0]


def _unwrap(annotation: Any) -> Iterator[Any]:
    """The alternatives of a union, without Annotated and None."""
    origin = get_origin(annotation)
    if hasattr(annotation, "__metadata__"):
        yield from _unwrap(get_args(annotation)[0])
    elif origin is not None and origin not in (dict, tuple, list, Literal):
        for option in get_args(annotation):
            yield from _unwrap(option)
    elif annotation is not type(None):
        yield annotation


def _models(annotations: list[Any]) -> Iterator[type[BaseModel]]:
    for annotation in annotations:
        for option in _unwrap(annotation):
            if isinstance(option, type) and issubclass(option, BaseModel):
                yield option
