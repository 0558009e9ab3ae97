"""The OpenAPI document: valid, complete, and true."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from haizea.api import examples
from haizea.api.problems import Problem
from haizea.api.rest import Api
from haizea.service.models import EntryOut, LeaseOut, LeaseRequestIn, StayOut, VerdictOut
from tests.api.background import background
from tests.api.calls import Caller, scenario
from tests.api.fake_manager import FakeManager

BUDGET_S = 25
# What the shapes of requests leave open (is "tomorrow" an instant?) is the service's to judge; what a shape forbids
# but pydantic takes for what was meant (0 for false) is not refused. So accepting and refusing are tested elsewhere.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)


def document() -> dict[str, Any]:
    """Return the document as it is served."""
    found: dict[str, Any] = {}

    async def play(call: Caller) -> None:
        found.update((await call("GET", "/v1/openapi.json")).json())

    scenario(play, token=None)
    return found


def test_the_document_is_openapi_3_1() -> None:
    """The document is valid by the schema of OpenAPI 3.1."""
    definitions = pytest.importorskip("schemathesis.specs.openapi.definitions")
    found = document()
    assert found["openapi"] == "3.1.0"
    errors = [
        f"{error.instance_path}: {error.message}" for error in definitions.OPENAPI_31_VALIDATOR.iter_errors(found)
    ]
    assert errors == []


def test_every_reference_leads_somewhere() -> None:
    """Whatever the document refers to is in it."""
    found = document()
    for reference in set(re.findall(r"'\$ref': '#/([^']+)'", str(found))):
        place: Any = found
        for part in reference.split("/"):
            assert part in place, reference
            place = place[part]


def test_every_operation_says_what_it_does_and_how_it_fails() -> None:
    """Each operation has a summary, a description, a name of its own and the problems it can end in."""
    names = []
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], path
            names.append(operation["operationId"])
            assert {"400", "401", "403", "422", "429", "500", "503"} <= set(operation["responses"]), (path, method)
            assert ("404" in operation["responses"]) or "{" not in path
            if method in ("post", "put") and "requestBody" in operation:
                assert {"413", "415"} <= set(operation["responses"])
    assert len(set(names)) == len(names)


def test_limits_of_parameters_are_documented() -> None:
    """What is refused by its length or range can be known beforehand."""
    parameters = document()["paths"]["/v1/leases"]["get"]["parameters"]
    schemas = {each["name"]: each["schema"] for each in parameters}
    assert (schemas["limit"]["minimum"], schemas["limit"]["maximum"]) == (1, 1000)
    assert schemas["state"]["maxItems"] == 32
    assert schemas["name"]["anyOf"][0]["maxLength"] == 128
    user = document()["paths"]["/v1/users/{user}"]["get"]["parameters"][0]["schema"]
    assert (user["minLength"], user["maxLength"]) == (1, 128)


def test_examples_are_true() -> None:
    """The examples of requests and answers have the shapes of requests and answers."""
    for request in (examples.REQUEST, examples.BEST_EFFORT, examples.DEADLINE):
        LeaseRequestIn.model_validate(request)
    for model, example in (
        (LeaseOut, examples.LEASE),
        (StayOut, examples.STAY),
        (VerdictOut, examples.VERDICT),
        (EntryOut, examples.ENTRY),
    ):
        shown = model.model_validate(example).model_dump()
        assert shown == {**shown, **example}
    Problem.model_validate(examples.PROBLEM)


def test_the_api_is_what_the_document_says(tmp_path: Path) -> None:
    """Whatever is sent, right or wrong, the answer is one that the document names, and never an error of ours."""
    pytest.importorskip("schemathesis")
    manager = FakeManager()
    with background(manager) as addresses:
        command = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"]
        command += [f"{addresses[0]}/v1/openapi.json", "--header", "Authorization: Bearer root-token", "--no-color"]
        command += ["--max-time", str(BUDGET_S), "--max-examples", "10", "--checks", ",".join(CHECKS)]
        command += ["--exclude-path", "/v1/events/stream", "--request-timeout", "5", "--warnings", "off"]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stdout[-6_000:] + run.stderr[-2_000:]


def test_an_api_can_be_made_and_closed_without_requests() -> None:
    """Making the application needs no store, no socket and no running loop."""
    api = Api(FakeManager())
    assert api.app.title == "Haizea"
    api.close()
