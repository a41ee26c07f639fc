"""Settings, logging and errors."""

import ast
import re
from pathlib import Path

import pytest

from cim import errors
from cim.errors import CimError, ConfigError
from cim.log import redact
from cim.settings import load_settings


def test_a_mistyped_variable_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("CIM_DATADIR", "x")
    with pytest.raises(ConfigError, match="unknown setting CIM_DATADIR, expected one of CIM_DATA_DIR"):
        load_settings()


def test_a_value_out_of_bounds_names_its_variable(monkeypatch):
    monkeypatch.setenv("CIM_SERVER__PORT", "70000")
    with pytest.raises(ConfigError, match="CIM_SERVER__PORT: Input should be less than or equal to 65535"):
        load_settings()


def test_a_database_password_is_never_printed(monkeypatch):
    monkeypatch.setenv("CIM_DATABASE__URL", "postgresql://cim:s3cret@127.0.0.1/cim")
    assert "s3cret" not in repr(load_settings())


def test_a_wrong_database_url_is_refused_without_its_password(monkeypatch):
    monkeypatch.setenv("CIM_DATABASE__URL", "mysql://cim:s3cret@127.0.0.1/cim")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert "s3cret" not in str(caught.value)
    assert "postgresql://" in str(caught.value)


def test_passwords_in_urls_are_hidden_in_logs():
    assert redact("cannot reach postgresql://cim:s3cret@db:5432/cim") == "cannot reach postgresql://cim:***@db:5432/cim"


def _tree(root: type[CimError], depth: int = 1) -> list[str]:
    lines = ["    " + "  " * (depth - 1) + root.__name__]
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            lines += _tree(child, depth + 1)
    return lines


def test_the_drawn_error_tree_is_the_real_one():
    docstring = ast.get_docstring(ast.parse(Path(errors.__file__).read_text(encoding="utf-8")), clean=False)
    drawn = [line.rstrip() for line in re.split(r"Tree::\n\n", docstring)[1].split("\n\n")[0].splitlines()]
    assert drawn == _tree(CimError)


def _all_errors(root: type[CimError]) -> list[type[CimError]]:
    return [root, *(e for child in root.__subclasses__() for e in _all_errors(child))]


def test_every_error_code_is_unique():
    codes = [error.code for error in _all_errors(CimError)]
    assert len(codes) == len(set(codes))
