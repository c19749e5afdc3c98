"""The Jinja environment of roles, which reports failures with their line in the template.

The environment is sandboxed, and undefined names are errors. An expression must be text or a
number: None, a list or a mapping in a configuration file is always a mistake of the template. Block
tags leave no empty lines (`trim_blocks`, `lstrip_blocks`), and the last newline stays.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateNotFound,
    TemplateSyntaxError,
    UndefinedError,
)
from jinja2.sandbox import SandboxedEnvironment

from provision.core.errors import InputError, Position, Problem

_FIX_UNDEFINED = "declare it in meta/argument_specs.yml, set it, or correct the name"


def _printable(value: Any) -> Any:
    """The value. Raises TypeError for None, lists and mappings."""
    if value is None or isinstance(value, list | tuple | set | Mapping):
        content = "nothing" if value is None else f"a whole {type(value).__name__}"
        raise TypeError(f"{{{{ … }}}} prints {content}")
    return value


@lru_cache(maxsize=64)
def environment(folder: Path) -> SandboxedEnvironment:
    """The environment for a role's templates; `include` and `import` search the same folder."""
    return SandboxedEnvironment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        finalize=_printable,
    )


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Template:
    return environment(Path("/nonexistent")).from_string(text)


def render_file(folder: Path, name: str, variables: Mapping[str, Any]) -> str:
    """The text of template `name` in `folder`.

    Raises:
        InputError: `template-undefined`, `template-syntax`, `template-missing` or `template-error`,
            with file and line of the template.
    """
    path = folder / name
    try:
        return environment(folder).get_template(name).render(variables)
    except Exception as error:  # a template may raise anything: it is the role's mistake
        raise InputError([_problem(error, str(folder), Position(str(path)))]) from None


def render_text(text: str, position: Position, variables: Mapping[str, Any]) -> str:
    """A text of a manifest or of defaults, with its `{{ … }}` rendered.

    Raises:
        InputError: as in `render_file`, at `position`.
    """
    if "{" not in text:
        return text
    try:
        return _compiled(text).render(variables)
    except Exception as error:
        raise InputError([_problem(error, "", position)]) from None


def _problem(error: Exception, folder: str, position: Position) -> Problem:
    template_position = _template_position(error.__traceback__, folder) or position
    if isinstance(error, TemplateSyntaxError):
        if folder:
            template_position = Position(error.filename or position.file, error.lineno)
        return Problem(
            template_position,
            "template-syntax",
            error.message or "the template cannot be read",
            fix="correct it",
        )
    if isinstance(error, UndefinedError):
        return Problem(
            template_position,
            "template-undefined",
            error.message or "undefined",
            fix=_FIX_UNDEFINED,
        )
    if isinstance(error, TemplateNotFound):
        return Problem(
            template_position,
            "template-missing",
            f"there is no template `{error.name}` in {folder}",
            fix="add it",
        )
    return Problem(
        template_position,
        "template-error",
        str(error) or type(error).__name__,
        fix="correct the template",
    )


def _template_position(trace: TracebackType | None, folder: str) -> Position | None:
    """The innermost template line in `folder` of a traceback, which Jinja rewrites for this."""
    frames = [
        frame
        for frame in traceback.extract_tb(trace)
        if folder and frame.filename.startswith(folder)
    ]
    return Position(frames[-1].filename, frames[-1].lineno or 1) if frames else None
