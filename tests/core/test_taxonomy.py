"""Class sets as data: shipped ones, users' own, and the ways between them."""

import itertools

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from karyoscope.core.errors import KaryoscopeError
from karyoscope.core.taxonomy import UNCLASSIFIED, NucleusClass, Taxonomy

SHIPPED = Taxonomy.shipped()
names = st.lists(
    st.text(st.characters(categories=["L"]), min_size=1, max_size=8),
    min_size=1,
    max_size=6,
    unique=True,
)


@st.composite
def taxonomies(draw):
    given_names = draw(names)
    ids = sorted(
        draw(st.sets(st.integers(1, 255), min_size=len(given_names), max_size=len(given_names)))
    )
    color = st.tuples(*[st.integers(0, 255)] * 3)
    classes = tuple(NucleusClass(i, n, draw(color)) for i, n in zip(ids, given_names, strict=True))
    target = draw(st.sampled_from(given_names))
    return Taxonomy(draw(st.sampled_from("xyz")), classes, {"other": {target: "thing"}})


@given(taxonomies())
@settings(max_examples=50, deadline=None)
def test_plain_data_round_trip(taxonomy):
    assert Taxonomy.from_dict(taxonomy.to_dict()) == taxonomy
    text = yaml.safe_dump(taxonomy.to_dict(), allow_unicode=True)
    assert Taxonomy.from_dict(yaml.safe_load(text)) == taxonomy


@given(taxonomies())
@settings(max_examples=50, deadline=None)
def test_ids_and_names_find_each_other(taxonomy):
    assert len(taxonomy) == len(taxonomy.ids) == len(taxonomy.names)
    for class_id, name in zip(taxonomy.ids, taxonomy.names, strict=True):
        assert taxonomy.by_id(class_id).name == name
        assert taxonomy.id_of(name) == class_id
    assert taxonomy.by_id(0) == UNCLASSIFIED


@given(taxonomies())
@settings(max_examples=30, deadline=None)
def test_mapping_to_itself_changes_no_class(taxonomy):
    table = taxonomy.lookup_to(taxonomy)
    assert table.dtype == np.uint8
    assert table.shape == (256,)
    assert [table[i] for i in taxonomy.ids] == list(taxonomy.ids)
    assert table.sum() == sum(taxonomy.ids)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_taxonomies_load(name):
    taxonomy = Taxonomy.load(name)
    assert taxonomy.name == name
    assert taxonomy.names == tuple(n.lower() for n in taxonomy.names)
    assert taxonomy.ids == tuple(range(1, len(taxonomy) + 1))


def test_lizard_is_as_conic_numbers_it():
    assert Taxonomy.load("lizard").names == (
        "neutrophil",
        "epithelial",
        "lymphocyte",
        "plasma",
        "eosinophil",
        "connective",
    )


@pytest.mark.parametrize(("here", "there"), list(itertools.permutations(SHIPPED, 2)))
def test_ways_between_shipped_taxonomies(here, there):
    """Every declared way is sound; where none is declared, none is made up."""
    source, target = Taxonomy.load(here), Taxonomy.load(there)
    if there not in source.merges:
        with pytest.raises(KaryoscopeError, match=f"no mapping from taxonomy '{here}'"):
            source.lookup_to(target)
        return
    table = source.lookup_to(target)
    assert set(source.merges[there]) <= set(source.names)
    assert set(table[list(source.ids)].tolist()) - {0} <= set(target.ids)
    others = np.setdiff1d(np.arange(256), source.ids)
    assert not table[others].any()


def test_every_class_set_reaches_the_bare_nucleus():
    for name in SHIPPED:
        taxonomy = Taxonomy.load(name)
        table = taxonomy.lookup_to(Taxonomy.load("nucleus"))
        assert (table[list(taxonomy.ids)] == 1).all()


def test_hovernets_merge_of_consep():
    table = Taxonomy.load("consep").lookup_to(Taxonomy.load("consep4"))
    assert table[:8].tolist() == [0, 1, 2, 3, 3, 4, 4, 4]


def test_lizard_meets_consep4():
    lizard, four = Taxonomy.load("lizard"), Taxonomy.load("consep4")
    named = {n: four.by_id(lizard.lookup_to(four)[lizard.id_of(n)]).name for n in lizard.names}
    assert named == {
        "neutrophil": "inflammatory",
        "epithelial": "epithelial",
        "lymphocyte": "inflammatory",
        "plasma": "inflammatory",
        "eosinophil": "inflammatory",
        "connective": "spindle",
    }


@pytest.mark.parametrize(
    ("first", "second", "third"),
    [
        ("lizard", "consep4", "crchisto"),
        ("pannuke", "consep4", "crchisto"),
        ("consep", "consep4", "crchisto"),
        ("lizard", "consep4", "nucleus"),
    ],
)
def test_direct_ways_agree_with_detours(first, second, third):
    a, b, c = (Taxonomy.load(n) for n in (first, second, third))
    np.testing.assert_array_equal(b.lookup_to(c)[a.lookup_to(b)], a.lookup_to(c))


def test_one_shared_name_makes_no_mapping():
    def taxonomy(name, *class_names):
        return Taxonomy(
            name, tuple(NucleusClass(i + 1, n, (0, 0, 0)) for i, n in enumerate(class_names))
        )

    few, many = taxonomy("few", "b", "a"), taxonomy("many", "a", "b", "c")
    assert few.lookup_to(many)[:3].tolist() == [0, 2, 1]
    with pytest.raises(KaryoscopeError, match=r"no mapping .*`merges: \{few: \{a: \.\.\., b: "):
        many.lookup_to(few)


def test_names_of_classes_are_the_same_in_upper_and_lower_case():
    own = Taxonomy(
        "own", (NucleusClass(1, "Tumour", (1, 1, 1)), NucleusClass(2, "Other", (2, 2, 2)))
    )
    typed = Taxonomy(
        "typed", (NucleusClass(1, "other", (2, 2, 2)), NucleusClass(2, "tumour", (1, 1, 1)))
    )
    assert own.id_of("tumour") == own.id_of(" TUMOUR ") == 1
    assert own.lookup_to(typed)[:3].tolist() == [0, 2, 1]
    with pytest.raises(KaryoscopeError, match="the same name"):
        Taxonomy("twice", (NucleusClass(1, "A", (1, 1, 1)), NucleusClass(2, "a", (1, 1, 1))))


def test_every_class_is_a_nucleus():
    own = Taxonomy("own", (NucleusClass(3, "Tumour", (1, 1, 1)), NucleusClass(7, "x", (2, 2, 2))))
    assert own.lookup_to(Taxonomy.load("nucleus"))[[0, 3, 7]].tolist() == [0, 1, 1]


# Machado, Oliveira and Fernandes, IEEE TVCG 2009: severity 1.0, on linear RGB.
VISIONS = {
    "full": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


def _lab(color, vision):
    """CIE L*a*b* (D65) of an sRGB colour as seen with a kind of vision."""
    c = np.array(color) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    linear = np.clip(VISIONS[vision] @ linear, 0, 1)
    xyz = (
        np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        @ linear
        / [0.9505, 1.0, 1.089]
    )
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("name", SHIPPED)
def test_colors_can_be_told_apart(name, vision):
    classes = (*Taxonomy.load(name).classes, UNCLASSIFIED)
    for a, b in itertools.combinations(classes, 2):
        difference = np.linalg.norm(_lab(a.color, vision) - _lab(b.color, vision))
        assert difference > 12, (a.name, b.name, difference)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_merges_to_one_class_may_be_that_class(name):
    taxonomy = Taxonomy.load(name)
    for other in map(Taxonomy.load, SHIPPED):
        sets = taxonomy.sets_in(other)
        assert (sets & 1 == 0).all()
        assert not sets[[i for i in range(256) if i not in taxonomy.ids]].any()
        assert (sets >> (max(other.ids) + 1) == 0).all()
        try:
            merged = taxonomy.lookup_to(other)
        except KaryoscopeError:
            continue
        for class_id in taxonomy.ids:
            if merged[class_id]:
                assert sets[class_id] == 1 << int(merged[class_id])


def test_what_labels_may_be_in_lizard():
    lizard = Taxonomy.load("lizard")

    def sets(name):
        taxonomy = Taxonomy.load(name)
        table = taxonomy.sets_in(lizard)
        return {
            c.name: [n for n in lizard.names if int(table[c.id]) >> lizard.id_of(n) & 1]
            for c in taxonomy.classes
        }

    immune = ["neutrophil", "lymphocyte", "plasma", "eosinophil"]
    assert sets("nucleus") == {"nucleus": list(lizard.names)}
    assert sets("consep")["inflammatory"] == immune
    assert sets("consep")["other"] == []
    assert sets("pannuke")["neoplastic"] == ["epithelial"]
    assert sets("monusac")["macrophage"] == []


def test_sets_as_a_user_writes_them():
    lizard = Taxonomy.load("lizard")
    classes = [{"id": i, "name": n, "color": [i, i, i]} for i, n in ((1, "a"), (4, "b"), (5, "c"))]
    data = {"name": "mine", "classes": classes, "merges": {"lizard": {"a": "plasma"}}}
    data["may_be"] = {"lizard": {"b": "any", "c": "plasma"}}
    mine = Taxonomy.from_dict(data)
    assert mine.sets_in(lizard)[[1, 4, 5]].tolist() == [16, 126, 16]
    assert Taxonomy.from_dict(mine.to_dict()) == mine
    alone = Taxonomy.from_dict({"name": "mine", "classes": classes})
    # Nothing is said: each is a nucleus, of any class.
    assert alone.sets_in(lizard)[[1, 4, 5]].tolist() == [126, 126, 126]
    none = Taxonomy("mine", alone.classes, {"nucleus": {}})
    with pytest.raises(KaryoscopeError, match=r"nothing says what classes .* give may_be"):
        none.sets_in(lizard)
    for may_be, message in (
        ({"d": "any"}, "no class 'd'"),
        ({"a": ["tumour"]}, "no class 'tumour'"),
    ):
        with pytest.raises(KaryoscopeError, match=message):
            Taxonomy("mine", mine.classes, {}, {"lizard": may_be}).sets_in(lizard)
    with pytest.raises(KaryoscopeError, match="needs a name"):
        Taxonomy.from_dict(data | {"may_be": ["a"]})


def test_users_own_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nclasses:\n  - {id: 3, name: odd, color: [1, 2, 3]}\n")
    assert Taxonomy.load(path).classes == (NucleusClass(3, "odd", (1, 2, 3)),)
    assert Taxonomy.load(str(path)).merges == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "not valid YAML"),
        ("classes: []", "needs a name"),
        ("name: a", "classes"),
        ("name: a\nclasses: []", "no classes"),
        ("name: a\nclasses:\n  - {id: 0, name: n, color: [0, 0, 0]}", "1..255"),
        ("name: a\nclasses:\n  - {id: 256, name: n, color: [0, 0, 0]}", "1..255"),
        ("name: a\nclasses:\n  - {id: 1, name: n, color: [0, 0]}", "three numbers"),
        ("name: a\nclasses:\n  - {id: 1, name: n, color: [0, 0, 300]}", "three numbers"),
        ("name: a\nclasses:\n  - {id: one, name: n, color: [0, 0, 0]}", "three numbers"),
        (
            "name: a\nclasses:\n  - {id: 1, name: n, color: [0, 0, 0]}\n"
            "  - {id: 2, name: n, color: [0, 0, 0]}",
            "same name",
        ),
        (
            "name: a\nclasses:\n  - {id: 2, name: n, color: [0, 0, 0]}\n"
            "  - {id: 1, name: m, color: [0, 0, 0]}",
            "ascending",
        ),
        ("3", "needs a name"),
    ],
)
def test_bad_files_are_errors_of_one_line(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(KaryoscopeError, match=message) as caught:
        Taxonomy.load(path)
    assert "\n" not in str(caught.value)


def test_unknown_names_are_errors():
    lizard = Taxonomy.load("lizard")
    with pytest.raises(KaryoscopeError, match=r"not one of .*lizard"):
        Taxonomy.load("martian")
    with pytest.raises(KaryoscopeError, match="it has neutrophil"):
        lizard.id_of("martian")
    with pytest.raises(KaryoscopeError, match="no class with id 9"):
        lizard.by_id(9)
    broken = Taxonomy("b", lizard.classes, {"lizard": {"plasma": "martian"}})
    with pytest.raises(KaryoscopeError, match="martian"):
        broken.lookup_to(lizard)
