"""Checks a tree of nodes against a pydantic model and puts every complaint in plain words at its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from provision.errors import InputError, Position, Problem
from provision.inventory.source import Node

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[str | int, ...]

_WORDS = {
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
}


def validated(model: type[Model], node: Node) -> Model:
    """The model that `node` holds.

    Raises:
        InputError: one Problem (`unknown-field`, `missing-field`, `wrong-type`) for every field that does not fit.
    """
    try:
        return model.model_validate(node.plain())
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True)
        raise InputError([_problem(model, node, detail) for detail in details]) from None


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence that names the nearest known word, or all of them when none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f"the nearest known one is `{near[0]}`"
    return f"known are {', '.join(f'`{name}`' for name in names)}" if names else "none is known"


def kind(value: object) -> str:
    """What an operator would call a YAML value: text, a number, true or false, a list, a mapping, nothing."""
    if isinstance(value, bool):
        return "true or false"
    names = ((str, "text"), (int | float, "a number"), (list | tuple, "a list"), (Mapping, "a mapping"))
    return next((name for kinds, name in names if isinstance(value, kinds)), "nothing")


def _problem(model: type[BaseModel], node: Node, detail: Any) -> Problem:
    loc: Loc = detail["loc"]
    name = loc[-1] if loc else "the file"
    if detail["type"] == "extra_forbidden":
        return Problem(
            _key(node, loc), "unknown-field", f"unknown field `{name}`", fix=nearest(str(name), _fields(model, loc))
        )
    place = node.at(*loc).position
    if detail["type"] == "missing":
        return Problem(place, "missing-field", f"`{name}` is missing", fix=f"add `{name}:`")
    if detail["type"] == "value_error":
        return Problem(place, "wrong-value", f"`{name}` {detail['ctx']['error']}")
    if detail["type"] == "literal_error":
        return Problem(place, "wrong-value", f"`{name}` must be {detail['ctx']['expected'].replace(chr(39), '`')}")
    words = _WORDS.get(detail["type"], "does not fit here")
    return Problem(place, "wrong-type", f"`{name}` {words}", f"it is {kind(node.at(*loc).plain())}", _remedy(words))


def _remedy(words: str) -> str:
    return "put it in quotes" if words.endswith("text") else ""


def _key(node: Node, loc: Loc) -> Position:
    return node.at(*loc[:-1]).key_position(loc[-1])


def _fields(model: type[BaseModel], loc: Loc) -> list[str]:
    """The fields the mapping at the parent of `loc` may have."""
    annotation: Any = model
    for step in loc[:-1]:
        annotation = _inner(annotation, step)
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return []
    return [field.alias or name for name, field in annotation.model_fields.items()]


def _inner(annotation: Any, step: str | int) -> Any:
    """The type below `step` of a model, a list, a mapping or an optional one of these."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        return fields.get(str(step))
    arguments = [argument for argument in get_args(annotation) if argument not in (type(None), Ellipsis)]
    if get_origin(annotation) in (Union, UnionType) and arguments:
        return _inner(arguments[0], step)
    return arguments[-1] if arguments else None
