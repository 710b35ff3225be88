"""What every registered loss does."""

from functools import cache
from typing import Any

import pytest
from loss_cases import CLASSES, REQUIRED, SLOW_TO_BUILD, batch_targets, labels, outputs_at

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.losses import LOSSES, build_loss  # noqa: E402
from karyoscope.targets import OF_THE_BATCH, TARGETS  # noqa: E402

BACKGROUND = {"three_label": 0, "np": 0, "types": 0, "contour": 0}


@pytest.fixture(scope="module")
def targets() -> dict[str, torch.Tensor]:
    return batch_targets(*labels())


def built(name: str):
    torch.manual_seed(0)
    return kept(name) if name in SLOW_TO_BUILD else build_loss(name, CLASSES, **options(name))


@cache
def kept(name: str):
    return build_loss(name, CLASSES, **options(name))


def options(name: str) -> dict[str, Any]:
    return REQUIRED.get(name, {})


@pytest.mark.parametrize("name", sorted(LOSSES))
class TestContract:
    def test_it_says_what_it_compares(self, name, targets):
        loss = built(name)
        assert set(loss.needs) <= {*TARGETS, *OF_THE_BATCH}
        outputs = outputs_at(targets, 0.5)
        assert set(loss.reads) <= set(outputs)
        named = {key: outputs[key] for key in loss.reads}, {k: targets[k] for k in loss.needs}
        assert torch.isfinite(loss(*named))

    def test_a_finite_scalar_with_a_gradient_for_each_output(self, name, targets):
        loss = built(name)
        outputs = {k: v.requires_grad_() for k, v in outputs_at(targets, 0.3).items()}
        value = loss(outputs, targets)
        assert value.shape == ()
        assert value.dtype == torch.float32
        assert torch.isfinite(value)
        value.backward()
        for key in loss.reads:
            assert torch.isfinite(outputs[key].grad).all()
            assert outputs[key].grad.any()

    def test_classes_may_be_predicted_at_half_the_resolution(self, name, targets):
        loss = built(name)
        if tuple(loss.reads) != ("types",):
            pytest.skip("reads other outputs, which are at full resolution")
        outputs = outputs_at(targets, 0.3)
        value = loss({"types": outputs["types"][..., ::2, ::2]}, targets)
        assert torch.isfinite(value)

    def test_it_falls_as_outputs_approach_the_targets(self, name, targets):
        loss = built(name).eval()
        with torch.no_grad():
            values = [float(loss(outputs_at(targets, s), targets)) for s in (0, 0.25, 0.5, 0.75, 1)]
        assert values == sorted(values, reverse=True)
        assert values[-1] < 0.7 * values[0]

    def test_half_precision_outputs_are_compared_in_full(self, name, targets):
        loss = built(name).eval()
        outputs = {k: v.bfloat16() for k, v in outputs_at(targets, 0.5).items()}
        with torch.no_grad():
            value = loss(outputs, targets)
            full = loss({k: v.float() for k, v in outputs.items()}, targets)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, full)

    def test_unlabelled_pixels_do_not_matter(self, name, targets):
        loss = built(name).eval()
        strip = {k: v.clone() for k, v in targets.items()}
        for key in ("three_label", "np", "types", "contour", "points"):
            strip[key][..., -6:] = 255
            if f"soft_{key}" in strip:
                strip[f"soft_{key}"][..., -6:] = 0
        strip["same_tissue"][..., -6:] = -1
        strip["class_sets"][..., -6:] = strip["point_sets"][..., -6:] = 0
        outputs = outputs_at(targets, 0.5)
        other = {k: v.clone() for k, v in outputs.items()}
        for values in other.values():
            values[..., -3:] += torch.randn(values[..., -3:].shape)
        with torch.no_grad():
            a, b = loss(outputs, strip), loss(other, strip)
        assert torch.isfinite(b)
        torch.testing.assert_close(a, b)

    @pytest.mark.parametrize("ids", ["empty", "full"])
    def test_tiles_of_background_or_of_one_nucleus(self, name, ids):
        shape = (1, 32, 32)
        tile = torch.full(shape, int(ids == "full"), dtype=torch.int32)
        targets = batch_targets(tile, tile.to(torch.uint8))
        outputs = {k: v.requires_grad_() for k, v in outputs_at(targets, 0.5).items()}
        value = built(name)(outputs, targets)
        value.backward()
        assert torch.isfinite(value)
        grads = [v.grad for v in outputs.values() if v.grad is not None]
        assert all(torch.isfinite(grad).all() for grad in grads)

    @pytest.mark.parametrize("what", ["no label", "no class", "no nucleus", "one pixel"])
    def test_batches_that_teach_little_give_a_finite_loss_and_gradient(self, name, what):
        ids, classes = labels()
        if what == "no label":
            ids = torch.full_like(ids, -1)
        elif what == "no class":
            classes = torch.zeros_like(classes)
        elif what == "no nucleus":
            ids, classes = torch.zeros_like(ids), torch.zeros_like(classes)
        else:
            ids = torch.full_like(ids, -1)
            ids[0, 5, 5] = 0
            classes = torch.zeros_like(classes)
        targets = batch_targets(ids, classes)
        outputs = {k: v.requires_grad_() for k, v in outputs_at(targets, 0.3).items()}
        loss = built(name).train()
        for _ in range(2):
            value = loss(outputs, targets)
            assert torch.isfinite(value)
            value.backward()
        assert all(torch.isfinite(outputs[key].grad).all() for key in loss.reads)
        assert all(torch.isfinite(v).all() for v in loss.state_dict().values())
        if what == "no label":
            assert not any(outputs[key].grad.any() for key in loss.reads)

    def test_outputs_far_off_give_a_finite_loss_and_gradient(self, name, targets):
        outputs = {k: (1e4 * v).requires_grad_() for k, v in outputs_at(targets, 0).items()}
        loss = built(name)
        value = loss(outputs, targets)
        value.backward()
        assert torch.isfinite(value)
        assert all(torch.isfinite(outputs[key].grad).all() for key in loss.reads)

    def test_nothing_of_it_is_trained_and_its_state_is_small(self, name):
        loss = built(name)
        assert not list(loss.parameters())
        assert sum(v.numel() for v in loss.state_dict().values()) < 100

    def test_an_unknown_option_is_named(self, name):
        with pytest.raises(KaryoscopeError, match="colour_of_the_sky"):
            build_loss(name, CLASSES, **REQUIRED.get(name, {}), colour_of_the_sky="blue")


def test_an_unknown_loss_is_named():
    with pytest.raises(KaryoscopeError, match=f"no loss 'hinge'; there are {sorted(LOSSES)[0]}, "):
        build_loss("hinge", 3)


def test_a_new_loss_is_one_file_and_one_line(monkeypatch, targets):
    class MeanLogit(torch.nn.Module):
        reads = needs = ("np",)

        def forward(self, outputs, targets):
            return outputs["np"].mean()

    monkeypatch.setitem(LOSSES, "mean_logit", MeanLogit)
    value = build_loss("mean_logit", CLASSES)(outputs_at(targets, 0.5), targets)
    assert torch.isfinite(value)
