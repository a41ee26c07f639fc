"""Files of mapping profiles: found by path or by the name of a shipped one, read into their model, faults named by place."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from cim.errors import MappingError


def shipped_in(folder: Path) -> dict[str, Path]:
    """Return the profiles of a folder, by name."""
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def find_profile(given: str, folder: Path, command: str) -> Path:
    """Return the file of a profile given as path or as the name of one of a folder.

    Parameters
    ----------
    given
        Path, or name without extension.
    folder
        The shipped profiles.
    command
        Whose help tells more, e.g. ``cim ingest census``.

    Raises
    ------
    MappingError
        Neither; lists the shipped ones.
    """
    path = Path(given)
    if path.exists() or path.suffix in (".yaml", ".yml"):
        return path
    known = shipped_in(folder)
    if given in known:
        return known[given]
    raise MappingError(path, f"no such profile, expected a YAML file or one of {', '.join(known)}", hint=f"{command} --help")


def read_document(path: Path) -> object:
    """Return what a YAML file holds.

    Raises
    ------
    MappingError
        The file cannot be read, or is not YAML in UTF-8.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MappingError(path, error.strerror or "cannot be read", hint="pass --profile FILE.yaml") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MappingError(path, f"not YAML in UTF-8: {str(error).splitlines()[0]}") from error


def read_model[Profile: BaseModel](path: Path, model: type[Profile]) -> Profile:
    """Read a profile and check it against its model.

    Raises
    ------
    MappingError
        The file cannot be read, is not YAML, or a field is wrong; names the place.
    """
    try:
        return model.model_validate(read_document(path))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise MappingError(path, first["msg"], where=".".join(map(str, first["loc"]))) from None
