"""What is said of requests that are not valid."""

from haizea.api.problems import of_validation
from haizea.service.models import NAME


def test_a_name_with_control_characters_is_refused_in_words() -> None:
    """Nobody has to read a pattern to learn what is wrong with a name."""
    wrong = {"loc": ("body", "to"), "type": "string_pattern_mismatch", "msg": "…", "ctx": {"pattern": NAME}}
    assert of_validation([wrong])["detail"] == "to: there must be no control characters in it"
