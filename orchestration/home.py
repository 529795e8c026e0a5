"""The state folder itself: whether it can be used, who may read it, and how small files in it are written whole."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestration.settings import HOME_VARIABLE, ConfigurationError, Problem

PUBLICATION = "publication"
OWNER = "company.txt"
_FOLDERS = (PUBLICATION, "models", "quality", "dagster", "dbt", "demo", "landing")
_FILES = (OWNER, "last_run.json", "last_error.txt", "run.lock", "warehouse.duckdb")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class WarehouseError(Exception):
    """The state folder, the warehouse or the publication is not in a state to go on; the text says what to do."""


class NewerStateError(WarehouseError):
    """A newer program has written the state folder; this one must not write to it."""


def usable_home(home: Path, *, write: bool) -> None:
    """Make sure that the state folder can be used: read, or also written, which makes it where it is missing.

    Raises WarehouseError saying what stands in the way and what to type. Without `write` nothing is made, and a
    folder that is not there yet is in order.
    """
    instead = f"set {HOME_VARIABLE} to a folder that you own, for example {HOME_VARIABLE}=$HOME/trade-credit"
    try:
        if write:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        elif not home.exists() and not home.is_symlink():
            return
        with os.scandir(home):
            pass
    except (FileExistsError, NotADirectoryError):
        blocking = _not_a_folder(home)
        kind = (
            "a link that leads nowhere" if blocking.is_symlink() and not blocking.exists() else "not a folder"
        )
        raise WarehouseError(
            f"The state folder {home} cannot be used: {blocking} is {kind}; {instead}."
        ) from None
    except OSError as error:
        verb = "made or read" if write else "read"
        raise WarehouseError(
            f"The state folder {home} cannot be {verb} ({error.strerror}){_owned_by(home)}; {instead}."
        ) from None
    if write:
        _refuse_shared(home, instead)
        _try_to_write(home, instead)
        wrong = misplaced(home)
        if wrong:
            raise WarehouseError("\n".join(wrong))


def misplaced(home: Path) -> list[str]:
    """Files of the state folder where folders belong and the other way round, with what to type for each."""
    kinds = [(name, "a file", "a folder", Path.is_file) for name in _FOLDERS]
    kinds += [(name, "a folder", "a file", Path.is_dir) for name in _FILES]
    return [
        f"{home / name} is {found} where {wanted} belongs; move it away: mv {home / name} {home / name}.old"
        for name, found, wanted, is_wrong in kinds
        if is_wrong(home / name)
    ]


def keep_private(home: Path, *, group: str | None = None) -> None:
    """Make what is in the state folder its owner's alone, and what this process writes from now on too.

    `group` is the group that may read publications (`publications.group`); it may pass through the folder and see
    nothing else there. An older, wider folder is tightened; where nothing is too wide this looks at the entries of
    the state folder and goes no deeper. Raises ConfigurationError for an unknown group, and WarehouseError where
    a file belongs to someone else.
    """
    os.umask(0o077)
    gid = None if group is None else reading_group(group)
    try:
        for entry in _entries(home):
            if entry.name != PUBLICATION and entry.lstat().st_mode & _OTHERS:
                _close(entry)
        _share_publications(home / PUBLICATION, gid)
        _set(home, 0o700 if gid is None else 0o710, gid)
    except PermissionError as error:
        raise WarehouseError(
            f"{error.filename} belongs to {owner_name(Path(error.filename or home))}, so its permissions cannot be "
            f"set. Give the state folder back to one user: sudo chown -R {user_name(os.geteuid())} {home}"
        ) from error


def too_wide(home: Path) -> list[Path]:
    """What in the state folder others than its owner can reach; publications may be read by their group."""
    if not home.is_dir():
        return []
    mode = home.stat().st_mode
    if not mode & (stat.S_IXGRP | stat.S_IXOTH):
        return [home] if mode & _OTHERS else []
    found = [home] if mode & (stat.S_IRGRP | stat.S_IWGRP | stat.S_IRWXO) else []
    for entry in _entries(home):
        allowed = stat.S_IRGRP | stat.S_IXGRP if entry.name == PUBLICATION else 0
        if entry.lstat().st_mode & _OTHERS & ~allowed:
            found.append(entry)
    return found


def reading_group(name: str) -> int:
    """The number of the group that may read publications.

    Raises ConfigurationError where there is no such group or the user running this is not in it, since only a
    member may hand files to a group.
    """
    member_of = {os.getegid(), *os.getgroups()}
    known = {entry.gr_name: entry.gr_gid for entry in grp.getgrall()}
    valid = known if os.geteuid() == 0 else {n: gid for n, gid in known.items() if gid in member_of}
    if name in valid:
        return valid[name]
    user = user_name(os.geteuid())
    received = f"{user} is not a member of group {name!r}" if name in known else f"there is no group {name!r}"
    mend = f", or add it: sudo usermod -aG {name} {user}, then log in again" if name in known else ""
    raise ConfigurationError(
        (Problem("publications.group", received, f"valid: {', '.join(sorted(valid)) or 'none'}{mend}"),)
    )


def write_whole(path: Path, text: str) -> None:
    """Replace a small file in one rename, on disk before it is seen: a kill or power cut leaves the old or the new.

    Raises WarehouseError where a folder lies in its place.
    """
    aside = path.with_name(f".{path.name}.next")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    try:
        aside.replace(path)
    except IsADirectoryError:
        aside.unlink()
        raise WarehouseError(
            f"{path} is a folder where a file belongs; move it away: mv {path} {path}.old"
        ) from None
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Put the names of a folder's files on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, read-only or not; nothing there is in order."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for folder, _, _ in os.walk(path):
        os.chmod(folder, 0o700)
    shutil.rmtree(path)


def set_aside(path: Path, folder: Path, prefix: str) -> Path:
    """Move `path` into `folder` under the first free name `<prefix>-<n>`; returns where it lies now."""
    number = 1
    while (target := folder / f"{prefix}-{number}").exists() or target.is_symlink():
        number += 1
    path.rename(target)
    return target


def owner_name(path: Path) -> str:
    """The user a file belongs to, or the nearest folder above it that is there."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return user_name(path.lstat().st_uid)


def user_name(uid: int) -> str:
    """A user's name, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _not_a_folder(path: Path) -> Path:
    """The part of a path that is no folder though something lies below it."""
    for part in (*reversed(path.parents), path):
        if os.path.lexists(part) and not part.is_dir():
            return part
    return path


def _refuse_shared(home: Path, instead: str) -> None:
    """A state folder is closed to everyone else, which must not happen to a folder that others live in."""
    if (home / OWNER).exists():
        return
    whole = home.resolve()
    user_folder = Path.home().resolve()
    is_open = home.stat().st_mode & stat.S_IWOTH and any(home.iterdir())
    if is_open or whole == user_folder or whole in user_folder.parents:
        raise WarehouseError(
            f"The state folder {home} would be closed to everyone else, but it is used for other things too; "
            f"{instead}."
        )


def _owned_by(path: Path) -> str:
    try:
        return f"; it belongs to {user_name(path.stat().st_uid)}"
    except OSError:
        return ""


def _try_to_write(home: Path, instead: str) -> None:
    try:
        with tempfile.NamedTemporaryFile(dir=home, prefix=".probe-") as probe:
            probe.write(b"x" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        raise WarehouseError(
            f"The state folder {home} cannot be written ({error.strerror}){_owned_by(home)}. Free space with "
            f"`df -h {home}` in view, give it back to you with sudo chown -R {user_name(os.geteuid())} {home}, or "
            f"{instead}."
        ) from None


def _entries(folder: Path) -> Iterator[Path]:
    for entry in os.scandir(folder):
        if not entry.is_symlink():
            yield Path(entry.path)


def _close(path: Path) -> None:
    """Take every permission of others away from a file or folder and all below it."""
    for below in _entries(path) if path.is_dir() else ():
        _close(below)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & _OTHERS:
        os.chmod(path, mode & ~_OTHERS)


def _share_publications(folder: Path, gid: int | None) -> None:
    folder.mkdir(mode=0o750, exist_ok=True)
    _set(folder, 0o750, gid)
    for publication in _entries(folder):
        mode = publication.stat()
        if mode.st_mode & stat.S_IRWXO or (gid is not None and mode.st_gid != gid):
            make_readable(publication, gid)


def make_readable(path: Path, gid: int | None) -> None:
    """Make a publication read-only for its owner and for its group, which becomes `gid` where one is given."""
    for below in _entries(path) if path.is_dir() else ():
        make_readable(below, gid)
    _set(path, 0o550 if path.is_dir() else 0o440, gid)


def _set(path: Path, mode: int, gid: int | None) -> None:
    state = path.stat()
    if gid is not None and state.st_gid != gid:
        os.chown(path, -1, gid)
    if stat.S_IMODE(state.st_mode) != mode:
        os.chmod(path, mode)
