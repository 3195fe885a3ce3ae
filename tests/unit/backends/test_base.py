"""Names of objects are safe relative paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.backends.base import MAX_NAME_LENGTH, check_name, require_name
from chunkvault.errors import UsageError


@given(st.text(alphabet="ab/._-A \0ü", max_size=MAX_NAME_LENGTH + 5))
def test_a_name_that_is_accepted_is_a_safe_relative_path(name):
    if check_name(name):
        assert 0 < len(name) <= MAX_NAME_LENGTH
        assert name.isascii()
        assert not any(part == "" or part.startswith(".") for part in name.split("/"))


def test_a_name_that_is_refused_is_quoted_in_the_error():
    require_name("volumes/aa")
    with pytest.raises(UsageError, match=r"'a\\nb' is not a name"):
        require_name("a\nb")
