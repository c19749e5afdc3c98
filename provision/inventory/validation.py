"""Problems in plain words, at their place in the inventory, made of pydantic's errors.

The rule ids are `unknown-field`, `missing-field`, `wrong-type`, `wrong-value`, `out-of-range`,
`empty-list`, and those of the model's validators.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from provision.core.errors import InputError, Position, Problem
from provision.inventory.source import MASK, Node
from provision.inventory.wording import kind, nearest

Model = TypeVar("Model", bound=BaseModel)

_NEEDED = {
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "bool": "true or false",
    "tuple": "a list",
    "list": "a list",
    "dict": "a mapping",
    "model": "a mapping",
}
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


def validated(model: type[Model], node: Node) -> Model:
    """The value of `node` as a model. Raises InputError with a Problem for every wrong value."""
    try:
        return model.model_validate(node.plain())
    except ValidationError as error:
        details = error.errors(include_url=False)
        locs = [detail["loc"] for detail in details]
        raise InputError(
            [
                _problem(model, node, detail)
                for detail in details
                if not _is_consequence(detail, locs)
            ]
        ) from None


def _is_consequence(detail: ErrorDetails, locs: list[tuple[int | str, ...]]) -> bool:
    """Whether a list only seems too short because its entries are wrong."""
    depth = len(detail["loc"])
    return detail["type"] == "too_short" and any(
        len(loc) > depth and loc[:depth] == detail["loc"] for loc in locs
    )


@dataclass(frozen=True)
class _Place:
    """The target of pydantic's `loc`: its node, its field's name, and the fields beside it."""

    node: Node
    parent: Node
    name: str
    siblings: tuple[str, ...]


def _problem(model: type[BaseModel], root: Node, detail: ErrorDetails) -> Problem:
    place = _locate(model, root, detail["loc"])
    name, position = place.name, place.node.position
    context: Mapping[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case "hactl":
            message = context["message"] if not place.node.secret else "this value does not fit"
            return Problem(
                position,
                context["rule"],
                _with_field_name(name, message),
                context["why"],
                context["fix"],
            )
        case "extra_forbidden":
            return _unknown_field(place, detail["loc"][-1])
        case "missing" | "union_tag_not_found":
            field = name if detail["type"] == "missing" else "type"
            return Problem(
                position,
                "missing-field",
                f"`{field}` is missing",
                "it has no default",
                f"add `{field}:`",
            )
        case "too_short":
            return Problem(
                position,
                "empty-list",
                f"`{name}` is empty",
                "it needs at least one entry",
                "add one",
            )
        case "literal_error" | "union_tag_invalid" | "enum":
            return _choice_problem(name, place.node, detail)
    return _value_problem(name, place.node, position, detail["type"], context)


def _unknown_field(place: _Place, name: str | int) -> Problem:
    position = place.parent.key_position(name)
    fix = nearest(str(name), place.siblings)
    return Problem(position, "unknown-field", f"unknown field `{name}`", "", fix)


def _with_field_name(name: str, message: str) -> str:
    """The message with the field's name in front, unless it contains the name."""
    return message if f"`{name}`" in message or not name else f"`{name}`: {message}"


def _choice_problem(name: str, node: Node, detail: ErrorDetails) -> Problem:
    if detail["type"] == "union_tag_invalid":
        tag, given, known = (
            node.at("type"),
            str(detail["ctx"]["tag"]),
            detail["ctx"]["expected_tags"],
        )
        name = "type"
    else:
        tag, given, known = (
            node,
            str(detail["input"]),
            detail["ctx"]["expected"].replace(" or ", ", "),
        )
    choices = [word.strip().strip("'") for word in known.split(",")]
    fix = nearest(given, choices)
    if "the nearest" in fix:
        fix += f", of {', '.join(choices)}"
    shown = MASK if tag.secret else given
    return Problem(tag.position, "wrong-value", f"`{name}` cannot be `{shown}`", "", fix)


def _value_problem(
    name: str, node: Node, position: Position, error: str, context: Mapping[str, Any]
) -> Problem:
    if error in _BOUNDS:
        key, relation = _BOUNDS[error]
        shown = MASK if node.secret else node.plain()
        message = f"`{name}` is {shown}, it must be {relation} {context[key]:g}"
        return Problem(position, "out-of-range", message, "", "choose a value in this range")
    if error in ("string_pattern_mismatch", "string_too_long", "string_too_short", "finite_number"):
        limit = context.get("max_length") or context.get("min_length")
        fix = f"use at most {limit} characters" if error == "string_too_long" else "correct it"
        return Problem(position, "wrong-value", f"`{name}` has a wrong format", "", fix)
    if error == "too_long":
        return Problem(
            position,
            "wrong-value",
            f"`{name}` has too many entries",
            "",
            f"keep {context['max_length']}",
        )
    needed = _NEEDED.get(error.split("_")[0], "another value")
    why = f"it is {kind(node.plain())}, {needed} is needed"
    fix = "put it in quotes" if needed == "text" else f"write {needed}"
    return Problem(position, "wrong-type", f"`{name}` does not fit", why, fix)


def _locate(model: type[BaseModel], root: Node, loc: tuple[int | str, ...]) -> _Place:
    """Follow `loc` through the types and the nodes at the same time.

    Two kinds of steps in pydantic's path are not in the file: the tag of a discriminated union, and
    the steps of a list or mapping that was written in its short form (`check: {…}`).
    """
    annotation: Any = model
    node = parent = root
    name = ""
    siblings: tuple[str, ...] = ()
    for step in loc:
        member = _union_member(annotation, step)
        if member is not None:
            annotation = member
            continue
        siblings, annotation = _field_names(annotation), _child_type(annotation, step)
        if isinstance(step, str) and step != "[key]":
            name = step
        parent, node = node, node.at(step)
    return _Place(node, parent, name, siblings)


def candidates(annotation: Any) -> Iterator[Any]:
    """The types that an annotation allows, without `Annotated` and `None`."""
    if get_origin(annotation) is Annotated:
        yield from candidates(get_args(annotation)[0])
    elif (get_args(annotation) and not isinstance(get_origin(annotation), type)) or str(
        get_origin(annotation)
    ) == "<class 'types.UnionType'>":
        for argument in get_args(annotation):
            yield from candidates(argument)
    elif annotation is not type(None):
        yield annotation


def _union_member(annotation: Any, step: int | str) -> Any:
    """The member of a discriminated union with this tag, if there is one."""
    for candidate in candidates(annotation):
        if not (isinstance(candidate, type) and issubclass(candidate, BaseModel)):
            continue
        tag = candidate.model_fields.get("type")
        if tag and get_origin(tag.annotation) is Literal and get_args(tag.annotation) == (step,):
            return candidate
    return None


def _field_names(annotation: Any) -> tuple[str, ...]:
    for candidate in candidates(annotation):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return tuple(candidate.model_fields)
    return ()


def _child_type(annotation: Any, step: int | str) -> Any:
    """The type one step below a model, a list or a mapping."""
    for candidate in candidates(annotation):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            field = candidate.model_fields.get(str(step))
            return field.annotation if field else None
        if get_origin(candidate) in (tuple, list, dict):
            arguments = [argument for argument in get_args(candidate) if argument is not Ellipsis]
            return arguments[-1]
    return None
