"""Values of the losses of partly known classes, and of whole nuclei."""

import numpy as np
import pytest
from scipy import special

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from karyoscope.losses import build_loss  # noqa: E402

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


PLAIN = {"weighting": "inverse_root", "label_smoothing": 0.0}


class TestPartial:
    def sets(self, labels):
        return torch.where(labels == 255, 0, torch.ones_like(labels) << labels.clamp(max=60))

    @pytest.mark.parametrize("options", [{}, {"weighting": "power", "label_smoothing": 0.2}])
    def test_sets_of_one_class_are_the_plain_loss(self, options):
        partial = build_loss("partial_types", K - 1, **options)
        plain = build_loss("prior_weighted_types", K - 1, **PLAIN | options)
        labels = tensor(LABELS)
        for _ in range(3):
            x, y = (tensor(LOGITS).float().requires_grad_() for _ in range(2))
            value = partial({"types": x}, {"class_sets": self.sets(labels)})
            expected = plain({"types": y}, {"types": labels})
            value.backward(), expected.backward()
            assert torch.equal(value, expected)
            assert torch.equal(x.grad, y.grad)
            assert torch.equal(partial.prior, plain.prior)

    def test_value(self):
        loss = build_loss("partial_types", K - 1, label_smoothing=0.0).eval()
        loss.prior.copy_(torch.tensor([0.7, 0.2, 0.09, 0.01]))
        sets = self.sets(tensor(LABELS))
        sets[0, :2] = 0b1010
        sets[0, 2, 0] = 0
        prior = loss.prior.double().numpy()
        total = weight = 0.0
        for b, y, x in np.ndindex(*LABELS.shape):
            inside = [c for c in range(K) if int(sets[b, y, x]) >> c & 1]
            if inside:
                w = (prior[inside] * prior[inside] ** -0.5).sum() / prior[inside].sum()
                total -= w * np.log(P[b, inside, y, x].sum())
                weight += w
        value = loss({"types": tensor(LOGITS)}, {"class_sets": sets})
        assert value.item() == pytest.approx(total / weight, rel=1e-5)

    def test_gradient(self):
        loss = build_loss("partial_types", K - 1).eval()
        sets = self.sets(tensor(LABELS))
        sets[0, :2] = 0b1010
        x = tensor(LOGITS).float().requires_grad_()
        loss({"types": x}, {"class_sets": sets}).backward()
        assert torch.isfinite(x.grad).all()
        # Which of its classes a pixel is, is left to the network; that it is one of them is not.
        assert (x.grad[0, [1, 3], :2] < 0).all()
        assert (x.grad[0, [0, 2], :2] > 0).all()

    def test_sets_of_several_leave_the_prior(self):
        loss = build_loss("partial_types", K - 1)
        before = loss.prior.clone()
        logits = {"types": torch.randn(1, K, 4, 4)}
        assert loss(logits, {"class_sets": torch.full((1, 4, 4), 0b0110)}) > 0
        assert torch.equal(loss.prior, before)
        assert loss(logits, {"class_sets": torch.full((1, 4, 4), 0b1111)}) == 0


class TestWholeNuclei:
    def targets(self):
        nuclei = torch.zeros(2, 6, 5, dtype=torch.int64)
        nuclei[0, :2, :3], nuclei[0, 3:5, 1:4], nuclei[1, 1:3, :4] = 1, 2, 1
        nuclei[1, 5, :3] = 2
        sets = torch.where(nuclei > 0, 0b0010, 1)
        sets[0, 3:5, 1:4] = 0b1100
        return {"class_sets": sets, "nuclei": nuclei}

    def test_value(self):
        loss = build_loss("whole_nuclei", K - 1).eval()
        loss.prior.copy_(torch.tensor([0.6, 0.3, 0.1]))
        w = np.array([np.nan, 0.6**-0.5, 0.3**-0.5, 0.1**-0.5])
        total = weight = 0.0
        # The nucleus of three pixels is too small to count.
        for place, members in (
            (np.s_[0, :, :2, :3], [1]),
            (np.s_[0, :, 3:5, 1:4], [2, 3]),
            (np.s_[1, :, 1:3, :4], [1]),
        ):
            q = P[place].sum((1, 2))
            total -= w[members].mean() * np.log(q[members].sum() / q[1:].sum())
            weight += w[members].mean()
        value = loss({"types": tensor(LOGITS)}, self.targets())
        assert value.item() == pytest.approx(total / weight, rel=1e-5)

    def test_only_nuclei_of_one_class_move_the_prior(self):
        loss = build_loss("whole_nuclei", K - 1, gamma=0.5)
        loss({"types": tensor(LOGITS)}, self.targets())
        assert loss.prior.tolist() == pytest.approx([0.5 + 0.5 / 3, 0.5 / 3, 0.5 / 3])

    def test_without_nuclei_it_is_zero(self):
        loss = build_loss("whole_nuclei", K - 1)
        before = loss.prior.clone()
        empty = torch.zeros(1, 4, 4, dtype=torch.int64)
        value = loss({"types": torch.randn(1, K, 4, 4)}, {"class_sets": empty, "nuclei": empty})
        assert value == 0
        assert torch.equal(loss.prior, before)
