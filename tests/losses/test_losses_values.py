"""Each loss against its formula in plain NumPy, and its gradient against finite differences."""

import numpy as np
import pytest
from scipy import ndimage, special

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.losses import build_loss  # noqa: E402
from karyoscope.losses.cost_sensitive import cost_matrix, expected_cost  # noqa: E402
from karyoscope.losses.cross_entropy import cross_entropy  # noqa: E402
from karyoscope.losses.dice import dice  # noqa: E402
from karyoscope.losses.focal import weighted_focal  # noqa: E402
from karyoscope.losses.hover import (  # noqa: E402
    distance_error,
    gradient_error,
    sobel_kernel,
)
from karyoscope.losses.inner_contour import (  # noqa: E402
    inner_contour_labels,
    weighted_cross_entropy,
)
from karyoscope.losses.perceptual import PerceptualLoss, perceptual  # noqa: E402
from karyoscope.losses.unified_focal import (  # noqa: E402
    UnifiedFocal,
    focal_cross_entropy,
    focal_tversky,
)

RNG = np.random.default_rng(7)
K = 4
LOGITS = RNG.normal(size=(2, K, 6, 5))
LABELS = RNG.integers(0, K, (2, 6, 5))
LABELS[0, 0, :3] = 255
KNOWN = LABELS != 255
P = special.softmax(LOGITS, 1)
G = np.stack([(k == LABELS) for k in range(K)], 1).astype(float)
PK = P * KNOWN[:, None]
OWN = np.take_along_axis(P, np.where(KNOWN, LABELS, 0)[:, None], 1)[:, 0]


def tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values)


def gradient_is_right(function, *inputs: np.ndarray) -> bool:
    return torch.autograd.gradcheck(function, [tensor(x).requires_grad_() for x in inputs])


def test_cross_entropy():
    expected = -np.log(OWN[KNOWN]).mean()
    assert cross_entropy(tensor(LOGITS), tensor(LABELS)).item() == pytest.approx(expected)
    assert gradient_is_right(lambda x: cross_entropy(x, tensor(LABELS)), LOGITS)


def test_dice():
    expected = 0.0
    for k in range(K):
        both, total = (PK[:, k] * G[:, k]).sum(), PK[:, k].sum() + G[:, k].sum()
        expected += 1 - (2 * both + 1e-3) / (total + 1e-3)
    assert dice(tensor(P), tensor(LABELS)).item() == pytest.approx(expected, rel=1e-6)
    assert gradient_is_right(lambda x: dice(x.softmax(1), tensor(LABELS)), LOGITS)


class TestHover:
    hv = RNG.uniform(-1, 1, (2, 2, 9, 8))
    truth = RNG.uniform(-1, 1, (2, 2, 9, 8))
    mask = RNG.random((2, 9, 8)) < 0.6

    def test_distances(self):
        expected = ((self.hv - self.truth) ** 2).sum(1)[self.mask].mean()
        value = distance_error(*map(tensor, (self.hv, self.truth, self.mask)))
        assert value.item() == pytest.approx(expected)

    def test_gradients(self):
        kernel = np.array([[x / (x * x + y * y) if x or y else 0 for x in (-2, -1, 0, 1, 2)]
                           for y in (-2, -1, 0, 1, 2)])  # fmt: skip
        np.testing.assert_allclose(sobel_kernel().numpy(), kernel, rtol=1e-6)
        expected = 0.0
        for axis, k in enumerate((kernel, kernel.T)):
            for b in range(2):
                p, t = (ndimage.correlate(m[b, axis], k, mode="constant")
                        for m in (self.hv, self.truth))  # fmt: skip
                expected += ((p - t) ** 2)[self.mask[b]].sum()
        value = gradient_error(*map(tensor, (self.hv, self.truth, self.mask)))
        assert value.item() == pytest.approx(expected / self.mask.sum())
        assert gradient_is_right(
            lambda x: gradient_error(x, tensor(self.truth), tensor(self.mask)), self.hv
        )

    def test_only_nuclear_pixels_count(self):
        value = gradient_error(
            tensor(self.hv), tensor(self.truth), torch.zeros(2, 9, 8, dtype=torch.bool)
        )
        assert value == 0


class TestInnerContour:
    def test_labels(self):
        types = torch.tensor([[[0, 1, 2, 255, 255, 2]]])
        contour = torch.tensor([[[0, 0, 1, 1, 0, 255]]])
        assert inner_contour_labels(types, contour, 3).tolist() == [[[0, 1, 4, 4, 255, 255]]]

    def test_weighted_cross_entropy(self):
        w = RNG.uniform(1, 11, LABELS.shape)
        expected = -(w * np.log(OWN))[KNOWN].sum() / KNOWN.sum()
        value = weighted_cross_entropy(*map(tensor, (LOGITS, LABELS, w)))
        assert value.item() == pytest.approx(expected)


class TestPerceptual:
    def test_mean_of_levels(self):
        p, t = ([RNG.normal(size=s) for s in ((2, 3, 4, 4), (2, 5, 2, 2))] for _ in range(2))
        expected = np.mean([((a - b) ** 2).mean() for a, b in zip(p, t, strict=True)])
        assert perceptual([*map(tensor, p)], [*map(tensor, t)]).item() == pytest.approx(expected)

    def test_features_are_the_last_relu_of_the_first_four_blocks(self):
        loss = PerceptualLoss(3, pretrained=False)
        features = loss._features(torch.rand(1, 2, 32, 32))
        assert [tuple(f.shape[1:]) for f in features] == [
            (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4),
        ]  # fmt: skip
        assert all(f.min() == 0 for f in features)

    def test_contour_alone_or_all_maps(self):
        logits = torch.randn(1, 5, 16, 16)
        targets = {
            "types": torch.randint(0, 4, (1, 16, 16)),
            "contour": torch.randint(0, 2, (1, 16, 16)),
        }
        swapped = logits[:, [0, 2, 1, 3, 4]]
        values = {}
        for maps in ("all", "contour"):
            torch.manual_seed(0)
            loss = PerceptualLoss(3, maps, pretrained=False)
            values[maps] = [loss({"inner_contour": x}, targets).item() for x in (logits, swapped)]
        assert values["contour"][0] == pytest.approx(values["contour"][1], rel=1e-4)
        assert values["all"][0] != pytest.approx(values["all"][1], rel=1e-4)

    def test_weights_from_a_file(self, tmp_path):
        from safetensors.torch import save_file

        loss = PerceptualLoss(3, pretrained=False)
        state = loss._vgg[0].state_dict()
        save_file({k.replace("_", "."): v for k, v in state.items()}, tmp_path / "v.safetensors")
        loaded = PerceptualLoss(3, pretrained=tmp_path / "v.safetensors")
        assert all(torch.equal(v, loaded._vgg[0].state_dict()[k]) for k, v in state.items())
        save_file({"foo": torch.zeros(1)}, tmp_path / "other.safetensors")
        with pytest.raises(KaryoscopeError, match="no weights of VGG16"):
            PerceptualLoss(3, pretrained=tmp_path / "other.safetensors")
        with pytest.raises(KaryoscopeError, match="do not exist"):
            PerceptualLoss(3, pretrained=tmp_path / "absent.safetensors")

    def test_other_maps_are_an_error(self):
        with pytest.raises(KaryoscopeError, match="there are all, contour"):
            PerceptualLoss(3, maps="edges", pretrained=False)

    def test_the_fixed_network_moves_with_the_loss(self):
        loss = PerceptualLoss(3, pretrained=False).double()
        assert all(p.dtype == torch.float64 for p in loss._vgg[0].parameters())
        assert not any(p.requires_grad for p in loss._vgg[0].parameters())


class TestCostSensitive:
    matrix = np.array([[0, 1, 2, 10], [1, 0, 2, 10], [1, 1, 0, 5], [1, 1, 2, 0]], float)

    def test_expected_cost(self):
        expected = np.mean(
            [
                sum(self.matrix[j, LABELS[b, y, x]] * P[b, j, y, x] for j in range(K))
                for b, y, x in np.argwhere(KNOWN)
            ]
        )
        value = expected_cost(tensor(P), tensor(LABELS), tensor(self.matrix))
        assert value.item() == pytest.approx(expected)

    def test_costs_from_frequencies(self):
        ratio = cost_matrix([100, 50, 5], "ratio")
        assert ratio == [[0, 1, 2, 10], [1, 0, 2, 10], [1, 1, 0, 10], [1, 1, 1, 0]]
        rarity = cost_matrix([100, 50, 5], "rarity", largest=20)
        assert rarity == [[0, 1, 2, 20], [1, 0, 2, 20], [1, 1, 0, 20], [1, 1, 2, 0]]

    @pytest.mark.parametrize("n_classes", [1, 2, 6, 9])
    def test_it_works_for_any_number_of_classes(self, n_classes):
        loss = build_loss("types_cost_sensitive", n_classes, counts=list(range(1, n_classes + 1)))
        labels = torch.randint(0, n_classes + 1, (1, 8, 8))
        value = loss({"types": torch.randn(1, n_classes + 1, 8, 8)}, {"types": labels})
        assert value > 0.1

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"matrix": [[0, 1], [1, 0]]}, "3 classes and background is 4 x 4, got 2 rows of 2"),
            ({"matrix": [[0] * 4] * 3 + [[0]]}, "got 4 rows of 1 or 4"),
            ({"matrix": [[1] * 4] * 4}, "0 on the diagonal"),
            ({"counts": [5, 3]}, "4 x 4, got 3 rows of 3"),
            ({"counts": [5, 3, 0]}, "positive number of nuclei"),
            ({}, "either a matrix or counts"),
            ({"matrix": [[0] * 4] * 4, "counts": [1, 2, 3]}, "either a matrix or counts"),
            ({"counts": [1, 2, 3], "rule": "guess"}, "there are rarity, ratio"),
        ],
    )
    def test_a_matrix_that_does_not_fit_is_an_error(self, options, message):
        with pytest.raises(KaryoscopeError, match=message):
            build_loss("types_cost_sensitive", 3, **options)


class TestFocal:
    weights = np.array([0.1, 0.9, 1.0, 0.4])

    @pytest.mark.parametrize(("focus", "smoothing"), [(0.0, 0.0), (2.0, 0.0), (2.0, 0.05)])
    def test_value(self, focus, smoothing):
        t = (1 - smoothing) * G + smoothing / K
        terms = -t * self.weights[:, None, None] * (1 - OWN[:, None]) ** focus * np.log(P)
        total = sum(self.weights[label] for label in LABELS[KNOWN])
        expected = terms.sum(1)[KNOWN].sum() / total
        value = weighted_focal(*map(tensor, (LOGITS, LABELS, self.weights)), focus, smoothing)
        assert value.item() == pytest.approx(expected)

    def test_gradient(self):
        labels, weights = tensor(LABELS), tensor(self.weights)
        assert gradient_is_right(lambda x: weighted_focal(x, labels, weights, 2.0, 0.05), LOGITS)

    def test_without_focus_it_is_the_cross_entropy_of_the_paper(self):
        outputs = {"types": tensor(LOGITS).float()}
        targets = {"types": tensor(LABELS)}
        focal = build_loss("prior_weighted_focal", K - 1, focus=0.0)
        plain = build_loss("prior_weighted_types", K - 1)
        for _ in range(3):
            torch.testing.assert_close(focal(outputs, targets), plain(outputs, targets))
        torch.testing.assert_close(focal.prior, plain.prior)


class TestPrior:
    def test_moving_average_and_weights(self):
        loss = build_loss("prior_weighted_types", K - 1, gamma=0.9, rho=3.0)
        prior = np.full(K, 1 / K)
        share = np.array([(k == LABELS).sum() for k in range(K)]) / KNOWN.sum()
        for _ in range(4):
            loss({"types": tensor(LOGITS)}, {"types": tensor(LABELS)})
            prior = 0.9 * prior + 0.1 * share
        np.testing.assert_allclose(loss.prior.numpy(), prior, rtol=1e-5)
        np.testing.assert_allclose(loss.weights().numpy(), (1 - prior) ** 3, rtol=1e-5)

    def test_neither_does_a_batch_without_labels_move_it(self):
        loss = build_loss("prior_weighted_types", K - 1)
        before = loss.prior.clone()
        value = loss({"types": torch.randn(1, K, 4, 4)}, {"types": torch.full((1, 4, 4), 255)})
        assert value == 0
        assert torch.equal(loss.prior, before)

    def test_a_batch_of_one_class_whose_weight_has_vanished_is_finite(self):
        for name in ("prior_weighted_types", "prior_weighted_focal"):
            loss = build_loss(name, K - 1, gamma=0.0)
            logits = torch.randn(1, K, 4, 4, requires_grad=True)
            value = loss({"types": logits}, {"types": torch.zeros(1, 4, 4, dtype=torch.int64)})
            value.backward()
            assert loss.weights()[0] == 0
            assert torch.isfinite(value)
            assert torch.isfinite(logits.grad).all()

    def test_evaluation_leaves_the_prior(self):
        loss = build_loss("prior_weighted_focal", K - 1).eval()
        before = loss.prior.clone()
        loss({"types": tensor(LOGITS)}, {"types": tensor(LABELS)})
        assert torch.equal(loss.prior, before)


#: What the loss of sets has by default.


class TestUnifiedFocal:
    @pytest.mark.parametrize("form", ["symmetric", "asymmetric"])
    @pytest.mark.parametrize("gamma", [0.0, 0.3])
    def test_value(self, form, gamma):
        delta = 0.6
        pixels = 0.0
        for b, y, x in np.argwhere(KNOWN):
            rare, p = LABELS[b, y, x] > 0, OWN[b, y, x]
            focus = 1.0 if rare and form == "asymmetric" else (1 - p) ** gamma
            pixels += -(delta if rare else 1 - delta) * focus * np.log(p)
        pixels /= KNOWN.sum()
        regions = []
        for k in range(K):
            hit = (PK[:, k] * G[:, k]).sum()
            missed = ((1 - P[:, k]) * G[:, k]).sum()
            invented = (PK[:, k] * (1 - G[:, k])).sum()
            lack = 1 - hit / (hit + delta * missed + (1 - delta) * invented)
            power = 1.0 if k == 0 and form == "asymmetric" else 1 - gamma
            regions.append(lack**power)
        logits, labels = tensor(LOGITS), tensor(LABELS)
        assert focal_cross_entropy(
            logits.log_softmax(1), labels, delta, gamma, form
        ).item() == pytest.approx(pixels)
        assert focal_tversky(logits.softmax(1), labels, delta, gamma, form).item() == pytest.approx(
            np.mean(regions), rel=1e-5
        )
        loss = UnifiedFocal("types", form, balance=0.3, delta=delta, gamma=gamma)
        value = loss({"types": logits}, {"types": labels})
        assert value.item() == pytest.approx(0.3 * pixels + 0.7 * np.mean(regions), rel=1e-5)

    def test_gradient(self):
        labels = tensor(LABELS)
        for form in ("symmetric", "asymmetric"):
            assert gradient_is_right(
                lambda x, form=form: focal_cross_entropy(x.log_softmax(1), labels, 0.6, 0.5, form),
                LOGITS,
            )

    def test_certain_pixels_have_a_finite_gradient(self):
        logits = (100 * torch.nn.functional.one_hot(torch.ones(1, 4, 4).long(), 3)).movedim(-1, 1)
        x = logits.float().requires_grad_()
        UnifiedFocal("np")({"np": x}, {"np": torch.ones(1, 4, 4).long()}).backward()
        assert torch.isfinite(x.grad).all()

    @pytest.mark.parametrize(
        ("options", "message"),
        [({"form": "lopsided"}, "no form 'lopsided'"), ({"gamma": 2.0}, "gamma is from 0 to 1")],
    )
    def test_settings_are_checked(self, options, message):
        with pytest.raises(KaryoscopeError, match=message):
            build_loss("np_unified_focal", 3, **options)
