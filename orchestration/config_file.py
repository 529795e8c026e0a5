"""Reads the configuration file as it is written: bounded YAML, the line of every value, and its `${VARIABLE}`s."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestration.masking import mask
from orchestration.plain_text import plain
from orchestration.sources.errors import closest

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
Path_ = tuple[str | int, ...]

# Far above any real configuration, far below what would keep a machine busy.
_MOST_BYTES = 5_000_000
_MOST_VALUES = 50_000
_DEEPEST = 100

# More than these nobody reads, and finding the nearest valid name for each takes its time.
MOST_PROBLEMS = 200

_HIDDEN_KEYS = {"token", "password", "secret", "headers"}
_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTE_IT = "put a value in quotes that begins with & * ! % @ or `, or that holds : or #"
_SHORTEN = "a configuration holds names and mappings, not data; shorten it"

# The loader in C where PyYAML has it: ten times as fast on a long file.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_SafeLoader):  # type: ignore[misc]
    """Reads every value as it is written, and leaves to the field it fills what kind of value that is.

    YAML 1.1 would make 64 of `0100`, false of `NO`, 7 of `007` and 1.5 of `1.50` before anybody could ask for text.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name and the kind are PyYAML's
        first: [item for item in resolvers if item[0].rpartition(":")[2] in ("null", "merge")]
        for first, resolvers in _SafeLoader.yaml_implicit_resolvers.items()
    }


@dataclass(frozen=True)
class Problem:
    """One configuration error: where it stands, what was received, and what is valid or how to mend it.

    Secrets are masked, and each part is one line whatever was received.
    """

    where: str
    received: str
    valid: str

    def __post_init__(self) -> None:
        for part in ("where", "received", "valid"):
            object.__setattr__(self, part, plain(mask(getattr(self, part))))

    def __str__(self) -> str:
        return f"{self.where}: {self.received}" + (f"; {self.valid}" if self.valid else "")


class Places:
    """Where things stand in the file: names a path, finds its line and what was written there."""

    def __init__(self, file: Path, written: Any, lines: dict[Path_, int]) -> None:
        self.file = file
        self.written = written
        self.lines = lines

    def known(self, path: Path_) -> Path_:
        """`path` without the parts that validation added and the file does not hold (its last part stays)."""
        kept: list[str | int] = []
        value = self.written
        for position, part in enumerate(path):
            found = _child(value, part)
            if found is not _ABSENT:
                value = found
                kept.append(part)
            elif position == len(path) - 1 and isinstance(value, dict) and isinstance(part, str):
                kept.append(part)
        return tuple(kept)

    def problem(self, path: Path_, received: str, valid: str) -> Problem:
        """The problem of what stands at `path`, with its line."""
        path = self.known(path)
        line = next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), None)
        place = self.file.name + (f":{line}" if line else "")
        dotted = ".".join(str(part) for part in path)
        return Problem(f"{place} {dotted}".strip(), received, valid)

    def received(self, path: Path_) -> str:
        """The value as written (variables not filled in, so that no secret shows), shortened."""
        value = self.written
        for part in self.known(path):
            value = _child(value, part)
        if value is _ABSENT:
            return "nothing"
        if any(str(part).lower() in _HIDDEN_KEYS for part in path):
            return "a value that is not shown"
        # Masked before it is cut, lest the beginning of a secret be left.
        is_plain = isinstance(value, str) and re.fullmatch(r"[-+]?[0-9][0-9_.,]*|true|false", value)
        text = mask(value if is_plain else repr(value))
        return "received " + (text if len(text) <= 120 else text[:117] + "…")


_ABSENT: Any = object()


def _child(value: Any, part: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(part, _ABSENT)
    if isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value):
        return value[part]
    return _ABSENT


def read_config(path: Path) -> tuple[dict[str, Any] | None, dict[Path_, int], list[Problem]]:
    """The file's mapping, the line of each path, and what is wrong with the file itself.

    The mapping is None where the file cannot be used at all. Only a regular file of at most 5 MB is read, and
    nothing is built from YAML that is deeper than 100 levels or longer than 50,000 values with its aliases
    written out.
    """
    try:
        text = _text_of(path)
        _check_size(text, path.name)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            lines: dict[Path_, int] = {}
            problems = list(_walk(node, (), path.name, lines, loader)) if node is not None else []
            if any(isinstance(problem, _Unusable) for problem in problems):
                return None, {}, problems
            value = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except _UnusableError as error:
        return None, {}, [error.problem]
    except yaml.YAMLError as error:
        return None, {}, [_syntax_problem(error, path.name)]
    if not isinstance(value, dict):
        kind = "empty" if value is None else f"a {type(value).__name__}"
        valid = "valid is a mapping with company, sources and so on"
        return None, {}, [Problem(path.name, f"the file is {kind}", valid)]
    return value, lines, problems


class _UnusableError(Exception):
    def __init__(self, where: str, received: str, valid: str) -> None:
        self.problem = Problem(where, received, valid)
        super().__init__(str(self.problem))


def _text_of(path: Path) -> str:
    remedy = "give the path of a YAML file, or leave --config out to run the demo company"
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a device or a pipe"
            raise _UnusableError(str(path), f"is {kind}, not a file", remedy)
        with path.open("rb") as handle:
            data = handle.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise _UnusableError(str(path), "no such file", remedy) from None
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else "no valid path"
        raise _UnusableError(str(path), f"cannot be read ({said})", remedy) from error
    if len(data) > _MOST_BYTES:
        raise _UnusableError(path.name, f"is longer than {_MOST_BYTES // 1_000_000} MB", _SHORTEN)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where, received = path.name, f"not UTF-8 at byte {error.start}"
        raise _UnusableError(where, received, "save the file as UTF-8") from error
    if wrong := _NOT_YAML.search(text):
        line = text.count("\n", 0, wrong.start()) + 1
        received = f"is not YAML (it holds the control character {wrong[0]})"
        raise _UnusableError(f"{path.name}:{line}", received, "remove it")
    return text


def _check_size(text: str, file: str) -> None:
    """Raise where the document, its aliases written out, is deeper or longer than a configuration can be.

    Reads the events of the parser one by one and builds nothing, so neither nesting nor a few aliases that stand
    for millions of values cost more than their characters.
    """
    loader = _Loader(text)
    # For each open list or mapping its anchor, how many values it holds and how deep they go.
    open_: list[list[Any]] = [[None, 0, 0]]
    sizes: dict[str | None, tuple[int, int]] = {}
    try:
        while loader.check_event():
            event = loader.get_event()
            where = f"{file}:{event.start_mark.line + 1}"
            count, height = 1, 0
            if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                open_.append([event.anchor, 1, 0])
                sizes.pop(event.anchor, None)
                count = 0
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                anchor, count, height = open_.pop()
                height += 1
                if anchor is not None:
                    sizes[anchor] = (count, height)
            elif isinstance(event, yaml.ScalarEvent):
                if event.anchor is not None:
                    sizes[event.anchor] = (1, 0)
            elif isinstance(event, yaml.AliasEvent):
                if any(event.anchor == anchor for anchor, _, _ in open_):
                    received = "is not YAML (an alias stands inside what it repeats)"
                    raise _UnusableError(where, received, "write the value out")
                count, height = sizes.get(event.anchor, (1, 0))
            else:
                continue
            open_[-1][1] += count
            open_[-1][2] = max(open_[-1][2], height)
            if len(open_) - 1 + open_[-1][2] > _DEEPEST:
                raise _UnusableError(where, f"is nested deeper than {_DEEPEST} levels", _SHORTEN)
            if sum(held for _, held, _ in open_) > _MOST_VALUES:
                received = f"holds more than {_MOST_VALUES:,} values, aliases written out"
                raise _UnusableError(where, received, _SHORTEN)
    finally:
        loader.dispose()


def _syntax_problem(error: yaml.YAMLError, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    where = f"{file}:{mark.line + 1}" if mark else file
    said = getattr(error, "problem", None) or str(error).splitlines()[0]
    # What it quotes may be a secret that needs quotes: `token: *abc` is read as an alias.
    said = re.sub(r"\s*'[^']{2,}'", "", said)
    return Problem(where, f"is not YAML ({said})", f"check indentation, quotes and colons; {_QUOTE_IT}")


class _Unusable(Problem):
    """A problem that leaves no value to go on with."""


def _walk(node: Any, path: Path_, file: str, lines: dict[Path_, int], loader: Any) -> Iterator[Problem]:
    """Note the line of every path below `node`; yields a problem for every key or value that cannot be used."""
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if isinstance(node, yaml.ScalarNode):
        yield from _scalar_problems(node, path, file, loader)
    elif not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
        yield _tag_problem(path, file, line)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == "tag:yaml.org,2002:merge":
                merged = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                for part in merged:
                    yield from _walk(part, path, file, lines, loader)
                continue
            unusable = _key_problem(key_node, path, file, loader)
            if unusable is not None:
                yield unusable
                continue
            key = loader.construct_object(key_node)
            if key in seen:
                dotted = ".".join(str(part) for part in (*path, key))
                valid = f"first given on line {seen[key]}; keep one"
                yield Problem(f"{file}:{line} {dotted}", "key is given twice", valid)
            seen[key] = line
            lines[(*path, key)] = line
            yield from _walk(value_node, (*path, key), file, lines, loader)
    else:
        for position, child in enumerate(node.value):
            yield from _walk(child, (*path, position), file, lines, loader)


def _key_problem(node: Any, path: Path_, file: str, loader: Any) -> Problem | None:
    where = f"{file}:{node.start_mark.line + 1} {'.'.join(map(str, path))}".strip()
    if not isinstance(node, yaml.ScalarNode):
        received = "a list or mapping stands where a key belongs"
        return _Unusable(where, received, 'a key is text; put "{{ … }}" in quotes')
    unusable = next(_scalar_problems(node, path, file, loader), None)
    if unusable is not None:
        return unusable
    key = loader.construct_object(node)
    if not isinstance(key, str):
        received = f"key {node.value} is read as {key!r}"
        return _Unusable(where, received, f'a key is text; put it in quotes: "{node.value}"')
    return None


def _scalar_problems(node: Any, path: Path_, file: str, loader: Any) -> Iterator[Problem]:
    """A problem where a single value has a tag that is not allowed, or looks like a number or day and is none."""
    line = node.start_mark.line + 1
    where = f"{file}:{line} {'.'.join(map(str, path))}".strip()
    if "\0" in node.value:
        yield _Unusable(where, "the value holds the character \0", "remove it")
    try:
        loader.construct_object(node)
    except yaml.YAMLError:
        yield _tag_problem(path, file, line)
    except (ValueError, AttributeError, KeyError, TypeError, ArithmeticError):
        kind = node.tag.rpartition(":")[2]
        yield _Unusable(where, f"the value is read as {kind} and is none", "put it in quotes")


def _tag_problem(path: Path_, file: str, line: int) -> Problem:
    where = f"{file}:{line} {'.'.join(map(str, path))}".strip()
    return _Unusable(where, "a tag (!…) stands before the value", f"remove it; {_QUOTE_IT}")


def substitute(
    value: Any, variables: Mapping[str, str], path: Path_, places: Places, problems: list[Problem]
) -> Any:
    """`value` with every `${VARIABLE}` filled in; unknown variables become problems."""

    def below(item: Any, part: str | int) -> Any:
        return substitute(item, variables, (*path, part), places, problems)

    if isinstance(value, dict):
        return {key: below(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [below(item, position) for position, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    for name in dict.fromkeys(VARIABLE.findall(value)):
        if name not in variables and len(problems) < MOST_PROBLEMS:
            nearest = closest(name, variables)
            hint = f" (did you mean {nearest!r}?)" if nearest else ""
            received = f"environment variable {name} is not set"
            problems.append(places.problem(path, received, f"set it before running{hint}"))
    return VARIABLE.sub(lambda match: variables.get(match[1], match[0]), value)
