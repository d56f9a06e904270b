"""Losses against formulas written out here."""
import numpy as np
import pytest
import torch

from tdnet_ros.learn.losses import balance_weights, disagreement, ohem_cross_entropy

VOID = 255


def pixel_losses(logits, labels):
    """-log softmax of the true class of each labelled pixel."""
    found = []
    for batch, row, column in np.ndindex(*labels.shape):
        true = int(labels[batch, row, column])
        if true != VOID:
            scores = logits[batch, :, row, column]
            found.append(float(torch.log(torch.exp(scores).sum()) - scores[true]))
    return np.array(found)


def example(scale=1.0):
    labels = torch.randint(0, 3, (2, 6, 8), dtype=torch.uint8)
    labels[0, :2] = VOID
    return torch.randn(2, 3, 6, 8) * scale, labels


def test_hard_pixels_are_those_below_the_threshold():
    logits, labels = example()
    losses = pixel_losses(logits, labels)
    hard = losses[losses > -np.log(0.7)]
    assert 0 < len(hard) < len(losses)
    assert float(ohem_cross_entropy(logits, labels)) == pytest.approx(hard.mean(), rel=1e-5)


def test_a_share_of_the_pixels_is_kept_when_few_are_hard():
    logits, labels = example()
    logits.scatter_(1, labels.clamp(max=2).long().unsqueeze(1), 6.0)
    losses = np.sort(pixel_losses(logits, labels))[::-1]
    kept = losses[:int(np.ceil(len(losses) / 4))]
    for threshold in (0.7, 0):
        loss = ohem_cross_entropy(logits, labels, threshold=threshold, kept_share=1 / 4)
        assert float(loss) == pytest.approx(kept.mean(), rel=1e-4)


def test_class_weights_scale_the_pixels_and_their_sum():
    logits, labels = example()
    weights = torch.tensor([1.0, 2.0, 5.0])
    losses = pixel_losses(logits, labels)
    scale = weights.numpy()[labels[labels != VOID].numpy()]
    loss = ohem_cross_entropy(logits, labels, weights, threshold=1.0)
    assert float(loss) == pytest.approx((losses * scale).sum() / scale.sum(), rel=1e-5)


def test_pixels_of_which_nothing_is_left_to_learn_count_where_all_do():
    logits = 200 * torch.eye(2).reshape(1, 2, 1, 2)
    labels = torch.zeros(1, 1, 2, dtype=torch.uint8)
    assert float(ohem_cross_entropy(logits, labels, threshold=1.0)) == pytest.approx(200 / 2)


def test_small_logits_are_scaled_up_with_aligned_corners():
    logits = torch.tensor([[[[0.0, 4.0]], [[0.0, 0.0]]]])
    labels = torch.zeros(1, 1, 5, dtype=torch.uint8)
    expected = np.log(1 + np.exp(-np.array([0, 1, 2, 3, 4.0]))).mean()
    assert float(ohem_cross_entropy(logits, labels, threshold=1.0)) == pytest.approx(expected)


def test_nothing_labelled_is_no_loss_but_has_a_gradient():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = ohem_cross_entropy(logits, torch.full((1, 4, 4), VOID, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_disagreement_is_the_divergence_from_the_mean_distribution():
    outputs = [torch.randn(2, 3, 2, 2) for _ in range(4)]
    shares = [torch.softmax(output[1:], 1) for output in outputs]
    mean = sum(shares) / 4
    expected = sum((p * (p / mean).log()).sum(1).mean() for p in shares) / 4
    second = torch.tensor([False, True])
    assert float(disagreement(outputs, second)) == pytest.approx(float(expected), rel=1e-4)
    assert float(disagreement([outputs[0]] * 4, second)) == pytest.approx(0, abs=1e-6)
    assert float(disagreement(outputs, ~(second | True))) == 0


def test_balance_weights_lift_rare_classes_and_skip_absent_ones():
    weights = balance_weights(np.array([800, 200, 0]), 0.5)
    assert weights[1] / weights[0] == pytest.approx(2)
    assert weights[2] == 0
    assert weights[:2].mean() == pytest.approx(1)
    assert balance_weights(np.array([1, 2]), 0) is None
