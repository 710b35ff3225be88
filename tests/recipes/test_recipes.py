"""Every recipe that comes with the package fits the schema, and its parts fit together."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning")

from karyoscope.core.taxonomy import Taxonomy  # noqa: E402
from karyoscope.losses import build_loss  # noqa: E402
from karyoscope.networks import build_network  # noqa: E402
from karyoscope.networks.deployed import Deployed  # noqa: E402
from karyoscope.postprocessing import POSTPROCESSINGS  # noqa: E402
from karyoscope.targets import OF_POINTS, OF_THE_BATCH, TARGETS, crop_targets, make_targets  # noqa: E402
from karyoscope.targets.points import BACKGROUND, FIRST_POINT  # noqa: E402
from karyoscope.training.recipe.reading import Recipe, load_recipe  # noqa: E402

RECIPES = sorted(
    path.stem for path in (Path(__file__).parents[2] / "src/karyoscope/recipes").glob("*.yaml")
)

#: The same recipe, small enough for one core.
SMALL = {
    "lizard": ["network.encoder=test_efficientnet", "network.channels=[16, 12, 8, 8]"],
    "hovernet": ["network.encoder=preact_resnet50", "network.width=0.125"],
    "hovernet_consep": ["network.encoder=preact_resnet50", "network.width=0.125"],
    "smile": ["network.encoder=preact_resnet50", "network.width=0.125"],
    "mbzuai": ["network.width=0.125", "network.encoder=test_convnext"],
    "qu": ["network.encoder=test_resnet", "losses.1.pretrained=false", "losses.1.maps=contour"],
    "bern": ["network.encoder=test_efficientnet", "network.channels=[16, 12, 8, 8, 8]"],
}


def small(name: str) -> Recipe:
    tile = ["training.tile=270"] if name == "hovernet_consep" else []
    return load_recipe(name, ["network.pretrained=false", "phases=[]", *SMALL.get(name, []), *tile])


def parts(recipe: Recipe):
    torch.manual_seed(0)
    n_classes = len(Taxonomy.load(recipe.taxonomy))
    network = build_network(recipe.network.name, n_classes, **recipe.network.options)
    losses = {k.name: build_loss(k.name, n_classes, **k.options) for k in recipe.losses}
    return network, losses


def batch(size: int):
    """Two tiles of dark discs of six classes on a pale ground, and what can be learnt of them."""
    row, column = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    ids = torch.zeros(2, size, size, dtype=torch.int32)
    step = 24
    for k, (y, x) in enumerate(
        ((y, x) for y in range(12, size - 8, step) for x in range(12, size - 8, step)), 1
    ):
        ids[:, (row - y) ** 2 + (column - x) ** 2 < 64] = k
    classes = ((ids - 1) % 6 + 1).masked_fill(ids == 0, 0).to(torch.uint8)
    image = torch.where(ids[:, None] > 0, 0.3 + 0.08 * classes[:, None], 0.9).expand(-1, 3, -1, -1)
    return image.contiguous(), ids, classes


def all_targets(needs: set[str], ids, classes) -> dict[str, torch.Tensor]:
    """Targets of the labels, and those that a batch of two equal views would supply."""
    targets = make_targets(needs - set(OF_THE_BATCH), ids, classes)
    if "same_tissue" in needs:
        targets["same_tissue"] = torch.arange(ids[0].numel()).view(1, *ids.shape[1:])
    labels = {"soft_three_label": ("three_label", 3), "soft_types": ("types", 7)}
    for name in needs & labels.keys():
        label, n = labels[name]
        one = make_targets([label], ids, classes)[label]
        targets[name] = torch.nn.functional.one_hot(one, n).movedim(-1, 1).float()
    return targets


def test_the_five_papers_and_the_shipped_model_are_there():
    assert set(RECIPES) >= {"lizard", "hovernet", "qu", "smile", "bern", "mbzuai"}


@pytest.mark.parametrize("name", RECIPES)
class TestRecipe:
    def test_it_fits_the_schema_and_is_named_after_its_file(self, name):
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.validation.split.is_file()
        assert recipe.training.tile % recipe.training.multiple_of == 0
        assert len({loss.name for loss in recipe.losses}) == len(recipe.losses)

    def test_its_parts_exist_at_full_width(self, name):
        recipe = load_recipe(name, ["network.pretrained=false", "phases=[]"])
        with torch.device("meta"):
            n_classes = len(Taxonomy.load(recipe.taxonomy))
            network = build_network(recipe.network.name, n_classes, **recipe.network.options)
        assert sum(p.numel() for p in network.parameters()) > 1e6

    def test_losses_read_what_the_network_says_and_targets_make(self, name):
        network, losses = parts(small(name))
        assert {o for loss in losses.values() for o in loss.reads} == set(network.outputs)
        assert {t for loss in losses.values() for t in loss.needs} <= {*TARGETS, *OF_THE_BATCH}

    def test_maps_are_those_that_the_post_processing_reads(self, name):
        recipe = small(name)
        network, _ = parts(recipe)
        kept = [output for output in network.outputs if output not in network.auxiliary]
        maps = Deployed(network, recipe.mean, recipe.std, kept).eval().strides()
        method = POSTPROCESSINGS[recipe.postprocessing.name]
        assert set(method.maps) <= set(maps)
        assert "tp" in maps
        method.validate(recipe.postprocessing.options)

    @pytest.mark.slow
    def test_a_few_steps_lower_the_loss(self, name):
        recipe = small(name)
        network, losses = parts(recipe)
        margin = getattr(network, "margin", 0)
        image, ids, classes = batch(recipe.training.tile if margin > 50 else 128 if margin else 64)
        classes = classes.clamp(max=len(Taxonomy.load(recipe.taxonomy)))
        mean, std = (torch.tensor(v)[:, None, None] for v in (recipe.mean, recipe.std))
        image = (image - mean) / std
        needs = {t for loss in losses.values() for t in loss.needs}
        if needs & {*OF_POINTS}:
            # Whole nuclei as what lies around their points, all else as what is far from them.
            ids = torch.where(ids > 0, FIRST_POINT + 1 - ids, BACKGROUND).to(ids.dtype)
        targets = crop_targets(all_targets(needs, ids, classes), margin)
        optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3)
        totals = []
        for _ in range(6):
            outputs = network(image)
            total = sum(k.weight * losses[k.name](outputs, targets) for k in recipe.losses)
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
            totals.append(total.item())
        assert all(torch.isfinite(torch.tensor(totals)))
        assert totals[-1] < 0.9 * totals[0]
