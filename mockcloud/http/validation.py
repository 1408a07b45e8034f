"""Requests and answers against the document of the negotiated microversion."""

from __future__ import annotations

import contextlib
import functools
import re
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import jsonschema_rs

from mockcloud.http.reply import Query
from mockcloud.trace import redact
from specs import Operation, ResponseSpec, Version
from specs.project import prune


class Invalid(Exception):
    """A request that its schema refuses. `path` leads to the place, `rule` names the keyword."""

    def __init__(self, message: str, path: list[str | int], value: Any, rule: str) -> None:
        super().__init__(message)
        self.message, self.path, self.value, self.rule = message, path, value, rule


class Contract:
    """One operation at one microversion: compiled on first use."""

    def __init__(self, operation: Operation, version: Version | None) -> None:
        self._operation, self._version = operation, version
        self.responses: dict[int, ResponseSpec] = operation.responses(version)
        self.success = [status for status in self.responses if status < 400]
        self._query_schema = operation.query_schema(version)
        self._path_schema = operation.path_schema(version)
        self._answers: dict[int, Any] = {}

    @functools.cached_property
    def _body(self) -> Any:
        schema = self._operation.request_schema(self._version)
        return None if schema is None else (schema, _compiled(schema, NUMERIC))

    @functools.cached_property
    def _path(self) -> Any:
        checked = {name: schema for name, schema in self._path_schema.items() if set(schema) - {"type"}}
        return {name: (schema, _compiled(schema)) for name, schema in checked.items()}

    @functools.cached_property
    def _query(self) -> Any:
        return _compiled(self._query_schema, NUMERIC)

    def check_path(self, values: dict[str, str]) -> None:
        for name, (schema, validator) in self._path.items():
            _check(schema, validator, values[name], [name])

    def read_query(self, text: str) -> Query:
        if not text and not self._query_schema["required"]:
            return Query()
        known, extra = _typed_query(text, self._query_schema["properties"])
        shown = {**known, **extra} if not self._query_schema["additionalProperties"] else known
        _check(self._query_schema, self._query, shown, [])
        return Query(known, extra)

    def check_body(self, body: Any) -> None:
        if self._body is not None:
            schema, validator = self._body
            _check(schema, validator, body, [])

    def check_answer(self, status: int, body: Any) -> str | None:
        """What is wrong with an answer, or None."""
        response = self.responses.get(status)
        if response is None:
            return f"status {status} is not documented"
        if status >= 400:
            return None
        if response.schema is None:
            return None if body is None or response.media else "the document has no body"
        if status not in self._answers:
            self._answers[status] = _compiled(response.schema)
        if self._answers[status].is_valid(body):
            return None
        error = next(self._answers[status].iter_errors(body))
        return f"at {'/'.join(map(str, error.instance_path)) or 'the root'}: {_without_secrets(error)}"

    def cut(self, status: int, body: Any) -> Any:
        """The full body without what the version does not have."""
        response = self.responses.get(status)
        return body if response is None or not response.cuts else prune(body, response.cuts)


def _without_secrets(error: Any) -> str:
    """Messages quote values: those that facts would hide are not quoted."""
    names = [part for part in error.instance_path if isinstance(part, str)]
    quoted = {names[-1] if names else "": error.instance}
    return str(error.message[:300]) if redact(quoted) == quoted else f"a value with a secret in it breaks {error.schema_path[-1]!r}"


def checker(schema: dict[str, Any]) -> Callable[[Any], None]:
    """A check for values that are not a whole body; what the schema refuses raises Invalid."""
    validator = _compiled(schema)
    return lambda value: _check(schema, validator, value, [])


def _compiled(schema: dict[str, Any], keywords: dict[str, Any] | None = None) -> Any:
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True, formats=FORMATS, keywords=keywords)


def _number(value: Any) -> float | None:
    """What nova and cinder compare with a minimum or maximum: numbers written as text too."""
    for kind in (int, float):
        with contextlib.suppress(ValueError, TypeError):
            return kind(value)
    return None


class _Minimum:
    def __init__(self, parent: Any, value: float, path: Any) -> None:
        self._value = value

    def validate(self, instance: Any) -> None:
        number = _number(instance)
        if number is not None and number < self._value:
            raise ValueError(f"{number} is less than the minimum of {self._value}")


class _Maximum(_Minimum):
    def validate(self, instance: Any) -> None:
        number = _number(instance)
        if number is not None and number > self._value:
            raise ValueError(f"{number} is greater than the maximum of {self._value}")


NUMERIC = {"minimum": _Minimum, "maximum": _Maximum}


USUAL_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")


def _is_uuid(text: str) -> bool:
    """With or without hyphens, as oslo.utils' is_uuid_like."""
    if USUAL_UUID.fullmatch(text):  # nearly always, and in a tenth of the time
        return True
    bare = text.replace("-", "").replace("urn:", "").replace("uuid:", "").strip("{}").lower()
    return len(bare) == 32 and all(c in "0123456789abcdef" for c in bare)


def _is_printable(text: str) -> bool:
    """Letters, marks, numbers, punctuation, symbols and horizontal spaces."""
    categories = [unicodedata.category(char) for char in text]
    return all(category[0] != "C" and (category[0] != "Z" or category == "Zs") for category in categories)


def _is_name(text: str) -> bool:
    """Nova's: no space at either end. The empty text is left to minLength."""
    ends = text[:1] + text[-1:]
    return _is_printable(text) and all(unicodedata.category(char) != "Zs" for char in ends)


def _is_spaced_name(text: str) -> bool:
    """Spaces at the ends are taken off later; something has to be left."""
    return _is_printable(text) and bool(text.strip())


FORMATS: dict[str, Callable[[str], bool]] = {
    "uuid": _is_uuid,
    "printable": _is_printable,
    "name": _is_name,
    "spaced_name": _is_spaced_name,
    "az_name": lambda text: _is_name(text) and ":" not in text,
}


def _check(schema: dict[str, Any], validator: Any, value: Any, path: list[str | int]) -> None:
    if validator.is_valid(value):
        return
    raise _explained(schema, value, path)


def _explained(schema: dict[str, Any], value: Any, path: list[str | int]) -> Invalid:
    """The refusal in the words of the Python jsonschema library, which is what the real services answer with."""
    import jsonschema

    checker = jsonschema.FormatChecker()
    for name, is_valid in FORMATS.items():
        checker.checks(name)(lambda text, is_valid=is_valid: not isinstance(text, str) or is_valid(text))
    errors = _wordy(jsonschema)(schema, format_checker=checker).iter_errors(value)
    error = next(iter(sorted(errors, key=lambda e: list(map(str, e.path)))), None)
    if error is None:  # the fast validator is stricter here
        return Invalid("The value is not valid.", path, value, "format")
    return Invalid(error.message, [*path, *error.path], error.instance, str(error.validator))


def _wordy(jsonschema: Any) -> Any:
    plain = jsonschema.Draft202012Validator

    def numeric(keyword: str) -> Any:
        def check(validator: Any, bound: Any, instance: Any, schema: Any) -> Any:
            number = _number(instance)
            return () if number is None else plain.VALIDATORS[keyword](validator, bound, number, schema)

        return check

    return jsonschema.validators.extend(plain, {keyword: numeric(keyword) for keyword in NUMERIC})


def _typed_query(text: str, properties: dict[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    known: dict[str, Any] = {}
    extra: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        schema = properties.get(name)
        if schema is None:
            extra.setdefault(name, []).append(value)
        elif _type(schema) == "array":
            known.setdefault(name, []).append(_coerced(value, schema.get("items", {})))
        else:
            known[name] = _coerced(value, schema)
    return known, extra


def _type(schema: dict[str, Any]) -> Any:
    return schema.get("type", "string")


def _coerced(value: str, schema: dict[str, Any]) -> Any:
    """Text that is no number stays text, which the schema then refuses; so does one of more digits than Python counts."""
    wanted = _type(schema)
    with contextlib.suppress(ValueError):
        if wanted == "integer" and value.lstrip("-").isdecimal():
            return int(value)
        if isinstance(wanted, list) and "integer" in wanted and value.isdecimal():
            return int(value)  # the pattern beside it refuses everything else
    if wanted == "boolean" and value.lower() in ("true", "false", "1", "0"):
        return value.lower() in ("true", "1")
    return value
