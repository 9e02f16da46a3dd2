"""From a dataclass to its validator: pydantic models derived from annotated fields.

A field `include_dir: Annotated[Path, "one-line doc"]` is the option `include-dir`; `from_` is `from`. A list may be
written as one scalar. In a union the shape of what was written decides: a mapping, a list, or text; among several sorts
of text the first that fits.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    ValidationError,
    ValidationInfo,
    WrapValidator,
    create_model,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from collima.app.config.faults import nearest
from collima.app.config.types import Parser, Raw, Written, alternatives, bare, expected, mapping, option, scalar
from collima.core.errors import ConfigError
from collima.core.options import Person, Secret
from collima.directory import filters

_NOUNS = {"<text>": "text", "<list>": "a list", "<mapping>": "a mapping"}
_MAPPINGS = (Secret, Raw)  # of the table: those that are written as a mapping


def told(err: Exception) -> PydanticCustomError:
    """An error of ours as one that pydantic collects."""
    return PydanticCustomError("quote" if isinstance(err, Written) else "fault", "{text}", {"text": str(err)})


@cache
def schema(tp: Any) -> Any:
    """What pydantic validates a field of this type with."""
    tp = bare(tp)
    if (reader := scalar(tp)) is not None:
        return Annotated[Any, PlainValidator(_validator(reader.parse))]
    if isinstance(tp, type) and is_dataclass(tp):
        return model(tp)
    origin, arguments = get_origin(tp), get_args(tp)
    if origin is tuple:
        return Annotated[list[schema(arguments[0])], BeforeValidator(_listed), AfterValidator(tuple)]  # type: ignore[misc]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return Annotated[dict[str, schema(arguments[1])], BeforeValidator(_mapped)]  # type: ignore[misc]
    if len(members := alternatives(tp)) > 1:
        return _union(members)
    raise TypeError(f"no option type: {tp}")


def _validator(parse: Parser) -> Callable[[Any, ValidationInfo[Path]], object]:
    def validate(value: Any, info: ValidationInfo[Path]) -> object:
        try:
            return parse(value, info.context)
        except (ValueError, ConfigError) as err:
            raise told(err) from None

    return validate


def _listed(value: object) -> object:
    if value is None:
        raise told(ValueError(expected("a list", None)))
    return value if isinstance(value, list) else [value]


def _mapped(value: object) -> dict[str, Any]:
    try:
        return mapping(value)
    except ValueError as err:
        raise told(err) from None


def _shape(tp: Any) -> str:
    tp = bare(tp)
    if tp in _MAPPINGS:
        return "<mapping>"
    if scalar(tp) is not None:
        return "<text>"
    return "<list>" if get_origin(tp) is tuple else "<mapping>"


def _union(members: tuple[Any, ...]) -> Any:
    shapes: dict[str, list[Any]] = {}
    for member in members:
        shapes.setdefault(_shape(member), []).append(bare(member))
    if Person in shapes.get("<mapping>", ()):
        shapes.setdefault("<text>", [Person])
    if "<text>" not in shapes and "<list>" in shapes:
        shapes["<text>"] = shapes["<list>"]  # one scalar stands for a list of one
    choices = []
    for shape, tps in shapes.items():
        choice = _first_that_fits(tps) if shape == "<text>" and len(tps) > 1 else schema(tps[0])
        choices.append(Annotated[choice, Tag(shape)])
    if len(choices) == 1:
        return choices[0]

    nouns = " or ".join(noun for shape, noun in _NOUNS.items() if shape in shapes)

    def fits(value: object) -> object:
        if _shape_of(value) in shapes:
            return value
        raise told(ValueError(expected(nouns, value)))

    return Annotated[
        Annotated[Union[tuple(choices)], Discriminator(_shape_of)],  # noqa: UP007 - how many there are is known only now
        BeforeValidator(fits),
    ]


def _shape_of(value: object) -> str:
    return "<mapping>" if isinstance(value, dict) else "<list>" if isinstance(value, list) else "<text>"


def _first_that_fits(tps: list[Any]) -> Any:
    readers = [reader for tp in tps if (reader := scalar(tp)) is not None]

    def parse(value: object, base: Path) -> object:
        if filters.Filter in tps and isinstance(value, str) and value.startswith("("):
            return filters.parse(value)
        fault: ValueError | None = None
        for reader in readers:
            try:
                return reader.parse(value, base)
            except ValueError as err:
                fault = fault or err
        if isinstance(fault, Written) or not isinstance(value, str):
            raise fault or ValueError
        raise ValueError(f"{fault}; or {', or '.join(reader.noun for reader in readers[1:])}")

    return Annotated[Any, PlainValidator(_validator(parse))]


@cache
def model(cls: Any, beside: frozenset[str] = frozenset()) -> Any:
    """What pydantic validates a mapping of options with; the result is an instance of `cls`.

    `beside`: keys that are somebody else's, named only in did-you-mean.
    """
    hints = get_type_hints(cls, include_extras=True)
    names = {option(field.name): field.name for field in fields(cls) if field.init}
    options: dict[str, Any] = {
        f"o_{field.name}": (
            schema(hints[field.name]),
            Field(alias=option(field.name), default=... if _required(field) else None),
        )
        for field in fields(cls)
        if field.init
    }
    derived = create_model(
        cls.__name__, __config__=ConfigDict(extra="forbid", strict=True, defer_build=True), **options
    )

    def build(value: object, handler: Callable[[object], BaseModel]) -> object:
        if cls is Person and not isinstance(value, dict):
            value = {"address": value}
        try:
            given = handler(_mapped(value))
        except ValidationError as err:
            raise _suggesting(err, frozenset(names) | beside) from None
        try:
            return cls(
                **{
                    name: getattr(given, f"o_{name}")
                    for name in names.values()
                    if f"o_{name}" in given.model_fields_set
                }
            )
        except (ConfigError, ValueError) as err:
            raise _at_option(err, names) from None

    return Annotated[derived, WrapValidator(build)]


def _required(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _suggesting(err: ValidationError, known: Iterable[str]) -> ValidationError:
    """The same errors; an unknown key of this mapping with what was probably meant, which is then not missing, too."""
    lines = err.errors(include_url=False)
    unknown = {str(line["loc"][0]): nearest(str(line["loc"][0]), known) for line in lines if _is_unknown(line)}
    details: list[InitErrorDetails] = []
    for line in lines:
        if _is_unknown(line):
            key = str(line["loc"][0])
            hint = _trap(key) or (f", did you mean {unknown[key]!r}?" if unknown[key] else "")
            fault = PydanticCustomError("key", "{text}", {"text": f"unknown key {key!r}{hint}"})
        elif line["type"] == "missing" and line["loc"][-1] in unknown.values() and len(line["loc"]) == 1:
            continue
        elif line["type"] == "missing" and len(line["loc"]) == 1:
            fault = PydanticCustomError("missing", "{text}", {"text": f"the key {line['loc'][0]!r} is missing"})
        else:
            fault = PydanticCustomError(line["type"], "{text}", {"text": line.get("ctx", {}).get("text", line["msg"])})
        details.append(InitErrorDetails(type=fault, loc=line["loc"], input=None))
    return ValidationError.from_exception_data(err.title, details)


def _is_unknown(line: Any) -> bool:
    return bool(line["type"] == "extra_forbidden") and len(line["loc"]) == 1


def _trap(key: str) -> str:
    cut = any(sign in key for sign in "()=")
    return "; inside { } a text with commas or braces goes in quotes" if cut else ""


def _at_option(err: Exception, names: Iterable[str]) -> Exception:
    """`option-name: what and cure` of a __post_init__ belongs to that option."""
    name, colon, message = str(err).partition(": ")
    if not colon or name not in names:
        return told(err)
    fault = PydanticCustomError("fault", "{text}", {"text": message})
    return ValidationError.from_exception_data("", [InitErrorDetails(type=fault, loc=(name,), input=None)])
