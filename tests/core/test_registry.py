"""What there is by name, and whose fault it is where building fails."""

from __future__ import annotations

from functools import partial

import pytest

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.registry import Registry


def square(size: int, *, colour: str = "red") -> tuple[int, str]:
    return size, colour


def broken(size: int) -> int:
    return size + "of the constructor's own"  # type: ignore[operator]


def anything(**options: object) -> dict[str, object]:
    return options


@pytest.fixture
def shapes():
    entries = {"square": square, "broken": broken, "anything": anything}
    return Registry("shape", entries | {"blue": partial(square, colour="blue")})


def test_it_is_a_dict(shapes):
    assert "square" in shapes
    assert list(shapes) == ["square", "broken", "anything", "blue"]
    assert shapes["square"] is square
    with pytest.raises(KeyError):
        shapes["circle"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("circle", "no shape 'circle'; there are anything, blue, broken, square"),
        ("sqare", "no shape 'sqare'; .* square (do you mean square?)"),
    ],
)
def test_an_unknown_name_lists_those_there_are(shapes, name, message):
    import re

    with pytest.raises(KaryoscopeError, match=re.escape(message).replace(r"\.\*", ".*") + "$"):
        shapes.find(name)


def test_what_is_registered_twice_is_an_error(shapes):
    with pytest.raises(KaryoscopeError, match="there is a shape 'square' already"):
        shapes.register("square", broken)
    assert shapes["square"] is square


def test_entries_by_their_own_names():
    class Round:
        name = "round"

    assert Registry.by_name("shape", [Round]) == {"round": Round}
    with pytest.raises(KaryoscopeError, match="there is a shape 'round' already"):
        Registry.by_name("shape", [Round, Round])


def test_building_checks_the_arguments_first(shapes):
    assert shapes.build("square", 2) == (2, "red")
    assert shapes.build("blue", size=2) == (2, "blue")
    assert shapes.build("anything", a=1) == {"a": 1}
    with pytest.raises(
        KaryoscopeError, match=r"^shape 'square' has no option 'color'; there are c"
    ):
        shapes.build("square", 2, color="red")
    with pytest.raises(
        KaryoscopeError, match=r"^shape 'square': missing a required argument: 'size'"
    ):
        shapes.build("square")
    with pytest.raises(KaryoscopeError, match=r"^shape 'broken' has no option 'a'; it takes none"):
        shapes.build("broken", 1, a=1)


def test_an_error_of_the_entry_itself_is_not_the_users(shapes):
    with pytest.raises(TypeError, match="unsupported operand"):
        shapes.build("broken", 1)


def test_whether_an_entry_takes_a_parameter(shapes):
    assert shapes.takes("square", "colour")
    assert not shapes.takes("broken", "colour")


def test_options_that_are_handed_on_to_the_class_above_are_known(shapes):
    class Above:
        def __init__(self, size, colour="red"):
            self.colour = colour

    class Below(Above):
        def __init__(self, size, deep=1, **options):
            super().__init__(size, **options)

    shapes.register("below", Below)
    shapes.register("bound", partial(Below, 3))
    assert shapes.takes("below", "colour")
    assert shapes.build("below", 1, colour="blue").colour == "blue"
    assert shapes.build("bound", deep=2).colour == "red"
    for name in ("below", "bound"):
        with pytest.raises(KaryoscopeError, match=r"no option 'color'; there are colour, deep"):
            shapes.build(name, *([1] if name == "below" else []), color="blue")
