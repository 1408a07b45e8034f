"""The documents that decide what the cloud serves: our own OpenAPI 3.1 descriptions of OpenStack's services.

`operations(service)` lists what is served; `at(service, version)` gives one flat, standard document; `launch(dialect)` gives
the 28 rows of a server's launch, each with what it must come after in that dialect. How the sources are written:
docs/adding-an-operation.md.
"""

from specs.launch import DIALECTS, Row, launch
from specs.load import SERVICES, Document, SpecError, document
from specs.operation import Operation, ResponseSpec, operations
from specs.project import ABSENT, Version, parse_version, text_version
from specs.standard import at

__all__ = [
    "ABSENT",
    "DIALECTS",
    "SERVICES",
    "Document",
    "Operation",
    "ResponseSpec",
    "Row",
    "SpecError",
    "Version",
    "at",
    "document",
    "launch",
    "operations",
    "parse_version",
    "text_version",
]
