"""Our documents against what a real OpenStack was asked and answered (fixtures/recorded)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import specs
from mockcloud.http.routing import Routes
from mockcloud.http.validation import Contract

FOLDER = Path(__file__).parents[3] / "fixtures" / "recorded"
EXCHANGES = [json.loads(line) for file in sorted(FOLDER.glob("*.jsonl")) for line in file.read_text().splitlines()]
DECLINED = {"list_image_locations"}  # what a launch of a real cloud asks for and ours does not serve


def name(exchange: dict[str, Any]) -> str:
    return "{service}-{method}-{status}-{path}".format(**exchange).partition("?")[0][:100]


def meant(exchange: dict[str, Any]) -> tuple[specs.Operation, Any]:
    """The operation that our document has for it, and the body that its schema describes."""
    service = exchange["service"]
    routes = Routes(specs.operations(service), bool(specs.document(service)["x-service"].get("project_in_path")), False)
    match = routes.match(exchange["path"].partition("?")[0])
    assert match is not None, "our document lacks the path"
    choices = match.place.methods[exchange["method"]]
    if None in choices:
        return choices[None], exchange["request"]
    ((action, body),) = exchange["request"].items()
    return choices[action], body


@pytest.mark.parametrize("exchange", EXCHANGES, ids=name)
def test_a_real_clouds_answer_fits_our_document(exchange: dict[str, Any]) -> None:
    operation, body = meant(exchange)
    contract = Contract(operation, specs.parse_version(exchange["version"]) if exchange["version"] else None)
    if operation.declined:
        assert operation.id in DECLINED
        return
    assert exchange["status"] in contract.responses
    if exchange["status"] < 400:
        assert contract.check_answer(exchange["status"], exchange["response"]) is None
        if body is not None:
            contract.check_body(body)
    contract.read_query(exchange["path"].partition("?")[2])


def test_there_are_exchanges_of_every_service() -> None:
    assert {exchange["service"] for exchange in EXCHANGES} == set(specs.SERVICES)
