"""Every document, at its oldest, newest and some versions between: standard OpenAPI 3.1, complete and consistent."""

from __future__ import annotations

from collections.abc import Iterator

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

import specs
from specs.lint import lint
from specs.load import ROOT

WATERSHEDS = {"nova": ("2.36", "2.37", "2.75", "2.90", "2.96"), "cinder": ("3.27", "3.50"), "placement": ("1.12", "1.25")}


def versions(service: str) -> Iterator[str | None]:
    micro = specs.document(service)["x-service"].get("microversion")
    yield from (micro["min"], *WATERSHEDS[service], micro["max"]) if micro else (None,)


VERSIONS = [(service, version) for service in specs.SERVICES for version in versions(service)]


@pytest.mark.parametrize(("service", "version"), [(service, version) for service in WATERSHEDS for version in WATERSHEDS[service]])
def test_it_is_a_valid_openapi_3_1_document_where_much_changes(service, version):
    errors = OpenAPIV31SpecValidator(specs.at(service, version)).iter_errors()
    assert [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in errors] == []


def walk(node, path=""):
    yield path, node
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from walk(child, f"{path}/{key}")


@pytest.mark.parametrize(("service", "version"), VERSIONS)
def test_nothing_of_our_own_short_form_is_left_in_it(service, version):
    own = {"x-openstack", "x-versions", "x-actions", "x-policy", "x-errors", "x-query", "x-public"}
    left = [path for path, node in walk(specs.at(service, version)) if isinstance(node, dict) and own & set(node)]
    assert left == []


@pytest.mark.parametrize(("service", "version"), VERSIONS)
def test_every_schema_in_it_is_a_json_schema(service, version):
    for path, node in walk(specs.at(service, version)):
        if isinstance(node, dict) and path.endswith("/schema"):
            jsonschema.Draft202012Validator.check_schema(node)


@pytest.mark.parametrize(("service", "version"), VERSIONS)
def test_every_operation_in_it_has_an_id_of_its_own_a_success_and_documented_errors(service, version):
    found = [op for item in specs.at(service, version)["paths"].values() for op in item.values()]
    ids = [operation["operationId"] for operation in found]
    assert len(ids) == len(set(ids))
    for operation in found:
        statuses = {int(status) for status in operation["responses"]}
        assert min(statuses) < 400 or statuses & {410, 501}, operation["operationId"]  # gone, declined
        assert operation.get("security") == [] or 401 in statuses, operation["operationId"]


@pytest.mark.parametrize("service", specs.SERVICES)
def test_the_lint_finds_nothing_and_it_validates_the_oldest_a_middle_and_the_newest_version(service):
    assert lint(service) == []


@pytest.mark.parametrize(("service", "version"), [("nova", "2.0"), ("nova", "3.0"), ("cinder", "2.0"), ("placement", "1.999")])
def test_a_version_outside_the_range_is_refused_with_the_range(service, version):
    with pytest.raises(ValueError, match=r"knows microversions [\d.]+ to [\d.]+"):
        specs.at(service, version)


def test_a_service_that_is_not_there_is_refused_with_the_names_of_those_that_are():
    with pytest.raises(specs.SpecError, match="choose one of keystone, nova"):
        specs.document("horizon")


@pytest.fixture
def written(tmp_path, monkeypatch):
    """`written(paths=..., components=...)` is the merged document of a service that has just this."""
    monkeypatch.setattr("specs.load.ROOT", tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def write(**files: str):
        folder = tmp_path / "toy"
        folder.mkdir(exist_ok=True)
        (folder / "service.yaml").write_text("info: {title: Toy, version: '1'}\nx-service: {name: toy, type: toy}\n")
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(text)
        specs.document.cache_clear()
        return specs.document("toy")

    yield write
    specs.document.cache_clear()


TOYS = """
paths:
  /toys/{toy_id}:
    put:
      operationId: update_toy
      requestBody: Toy
      responses: {200: Toy, 204: }
      x-errors: [409]
components:
  schemas:
    Toy: {type: object}
"""


def test_short_forms_are_written_out(written):
    operation = written(toys=TOYS)["paths"]["/toys/{toy_id}"]["put"]
    schema = {"application/json": {"schema": {"$ref": "#/components/schemas/Toy"}}}
    assert operation["requestBody"] == {"required": True, "content": schema}
    assert operation["responses"]["200"]["content"] == schema
    assert "content" not in operation["responses"]["204"]
    assert set(operation["responses"]) == {"200", "204", "400", "401", "404", "409", "503"}
    assert operation["parameters"] == [{"name": "toy_id", "in": "path", "required": True, "schema": {"type": "string"}}]


def test_a_changed_source_is_read_anew(written):
    assert "/toys/{toy_id}" in written(toys=TOYS)["paths"]
    assert "/games" in written(toys=TOYS.replace("/toys/{toy_id}", "/games"))["paths"]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"one": TOYS, "two": TOYS}, r"path /toys/\{toy_id\} stands in two files"),
        ({"one": "paths: {"}, "one.yaml of toy"),
        ({"one": "components: {schemas: {A: {}}}", "two": "components: {schemas: {A: {}}}"}, "schemas A stand in two files"),
        ({"one": "paths: {/a: {get: {operationId: list_a, parameters: [nothing]}}}"}, "toy get /a"),
    ],
)
def test_sources_that_cannot_be_merged_are_refused_with_a_sentence(written, files, sentence):
    with pytest.raises(specs.SpecError, match=sentence):
        written(**files)


def test_every_resource_file_holds_something():
    assert [file for file in ROOT.rglob("*.yaml") if not file.read_text().strip()] == []
