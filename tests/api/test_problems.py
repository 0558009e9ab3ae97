"""What is said of requests that are not valid."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from haizea.api.problems import of_validation
from haizea.service.fields import NAME
from haizea.service.models import LeaseRequestIn
from haizea.service.order_models import ExtendIn, HostIn, LabelIn
from haizea.service.validation import fault_of

NODES = [{"resources": {"CPU": 100}}]


def test_a_name_with_control_characters_is_refused_in_words() -> None:
    """Nobody has to read a pattern to learn what is wrong with a name."""
    wrong = {"loc": ("body", "to"), "type": "string_pattern_mismatch", "msg": "…", "ctx": {"pattern": NAME}}
    assert of_validation([wrong])["detail"] == "to: there must be no control characters in it"


@pytest.mark.parametrize(
    ("shape", "sent", "field", "detail"),
    [
        (ExtendIn, {"by": -60}, "by", "a length of time is expected: seconds above 0, or a text such as 01:30:00"),
        (ExtendIn, {"by": ["1h"]}, "by", "a length of time is expected: seconds above 0, or a text such as 01:30:00"),
        (LeaseRequestIn, {"nodes": NODES, "duration": 0}, "duration", "a length of time is expected: seconds above 0"),
        (LeaseRequestIn, {"nodes": NODES, "duration": 60, "grace": -1}, "grace", "a length of time is expected"),
        (LeaseRequestIn, {"nodes": NODES}, "duration", "it is missing"),
        (
            LeaseRequestIn,
            {"nodes": NODES, "duration": 60, "who": ""},
            "who",
            "there is nothing of this name to be said",
        ),
        (LabelIn, {"labels": {"a\x07b": "c"}}, "labels.a\x07b", "this is no name for it: there must be no control"),
        (HostIn, {"name": "rack 7", "capacity": {"CPU": 100}}, "name", "a host's name is made of letters, digits"),
        (HostIn, {"name": "7", "capacity": {"CPU": 100}}, "name", "a host's name is made of letters, digits"),
        (HostIn, {"name": "a\x85b", "capacity": {"CPU": 100}}, "name", "a host's name is made of letters, digits"),
    ],
)
def test_what_is_wrong_is_named_as_the_caller_wrote_it(
    shape: type[BaseModel], sent: dict[str, Any], field: str, detail: str
) -> None:
    """One fault, at the field's own name, in words that need no knowledge of how shapes are checked."""
    with pytest.raises(ValidationError) as refused:
        shape.model_validate(sent)
    [fault] = map(fault_of, refused.value.errors())
    assert fault.field == field
    assert fault.detail.startswith(detail)
