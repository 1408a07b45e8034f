"""What requests are checked with, beyond JSON Schema itself."""

from __future__ import annotations

from typing import Any

import pytest

from mockcloud.http.validation import Contract, Invalid
from mockcloud.http.wording import invalid_body
from specs.operation import Operation


def _contract(schema: dict[str, Any], query: dict[str, Any] | None = None, method: str = "post") -> Contract:
    source = {
        "operationId": "do_it",
        "requestBody": {"content": {"application/json": {"schema": {"type": "object", "properties": {"it": schema}}}}},
        "responses": {},
    }
    parameters = [{"name": name, "in": "query", "schema": s} for name, s in (query or {}).items()]
    doc = {"components": {}, "x-service": {"query": "closed"}}
    return Contract(Operation("nova", "do_it", method, "/", source, parameters, doc), None)


NUMBER = {"type": ["integer", "string"], "pattern": "^-?[0-9]+$", "minimum": -1, "maximum": 10}


@pytest.mark.parametrize("value", [-1, "-1", 10, "10"])
def test_numbers_written_as_text_fit_a_range(value: Any) -> None:
    _contract(NUMBER).check_body({"it": value})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-2, "-2 is less than the minimum of -1"),
        ("-2", "-2 is less than the minimum of -1"),
        ("11", "11 is greater than the maximum of 10"),
        ("many", "'many' does not match '^-?[0-9]+$'"),
    ],
)
def test_numbers_written_as_text_are_held_to_the_range_too(value: Any, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        _contract(NUMBER).check_body({"it": value})
    assert refused.value.message == message


@pytest.mark.parametrize("name", ["a", "two words", "Ünïcödé", ""])
def test_printable_names_are_names(name: str) -> None:
    _contract({"type": "string", "format": "name"}).check_body({"it": name})


@pytest.mark.parametrize("name", [" a", "a ", " ", "a\nb", "a\x00"])
def test_other_texts_are_no_names_and_nova_says_so_in_its_own_words(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        _contract({"type": "string", "format": "name"}).check_body({"it": name})
    message = "An invalid 'name' value was provided. The name must be: printable characters. Can not start or end with whitespace."
    assert invalid_body("nova", refused.value).message == message


def test_a_query_number_is_a_number_unless_its_pattern_refuses_it() -> None:
    contract = _contract({}, {"limit": {"type": ["integer", "string"], "pattern": "^[0-9]*$", "minimum": 0, "minLength": 1}})
    assert contract.read_query("limit=7") == {"limit": 7}
    with pytest.raises(Invalid) as refused:
        contract.read_query("limit=-1")
    assert refused.value.message == "'-1' does not match '^[0-9]*$'"


def test_unknown_query_names_trouble_reads_only() -> None:
    with pytest.raises(Invalid):
        _contract({}, method="get").read_query("colour=red")
    assert _contract({}, method="delete").read_query("colour=red").extra == {"colour": ["red"]}
