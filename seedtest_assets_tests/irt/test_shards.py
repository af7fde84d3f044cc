"""A calibration does not depend on how its persons are put into shards."""

from dataclasses import replace

import numpy as np
import pytest

from seedtest_assets import irt
from seedtest_assets.irt.answer_shards import AnswerShards
from seedtest_assets.irt.response_shards import ResponseShards
from seedtest_assets.irt.screening import answers_to, unconnected_blocks
from seedtest_assets.irt.shards import ShardsHere, pairwise_sum
from seedtest_assets_tests.irt.simulate import responses_of, simulate


def in_shards(responses: irt.Responses, n: int) -> tuple[ResponseShards, np.ndarray]:
    """Deal persons out to n shards; gives these, and the persons in their order."""
    shards, persons = [], []
    lengths = np.diff(responses.person_start)
    person = np.repeat(np.arange(responses.n_persons), lengths)
    for k in range(n):
        of_shard = np.arange(k, responses.n_persons, n)
        rows = person % n == k
        shards.append(
            replace(
                responses,
                person_start=np.concatenate([[0], np.cumsum(lengths[of_shard])]),
                item=responses.item[rows],
                score=responses.score[rows],
                order=responses.order[rows] if len(responses.order) else responses.order,
            )
        )
        persons.append(of_shard)
    return ResponseShards.of(ShardsHere(shards)), np.concatenate(persons)


def assert_alike(responses: irt.Responses, n_shards: int = 3, groups=None, within=1e-6, **arguments):
    whole = irt.calibrate(responses, groups=groups, **arguments)
    shards, persons = in_shards(responses, n_shards)
    parted = irt.calibrate(shards, groups=None if groups is None else groups[persons], **arguments)
    assert parted.loglik == pytest.approx(whole.loglik, rel=1e-9)
    for name in ("a", "b", "c", "steps"):
        np.testing.assert_allclose(getattr(parted.items, name), getattr(whole.items, name), atol=1e-7)
    for name in ("se_a", "se_b", "se_c", "se_steps"):
        np.testing.assert_allclose(getattr(parted, name), getattr(whole, name), rtol=within)
    np.testing.assert_allclose(parted.theta, whole.theta[persons], atol=1e-7)
    np.testing.assert_allclose(parted.theta_se, whole.theta_se[persons], atol=1e-7)
    np.testing.assert_array_equal(parted.n_responses, whole.n_responses)
    np.testing.assert_allclose([parted.groups_mean, parted.groups_sd], [whole.groups_mean, whole.groups_sd], atol=1e-7)
    assert (parted.n_parameters, parted.left_out, parted.converged) == (
        whole.n_parameters,
        whole.left_out,
        whole.converged,
    )
    assert parted.warnings == whole.warnings
    return whole


@pytest.mark.parametrize("model", ["Rasch", "2PL", "3PL"])
def test_models(model):
    truth = simulate(1500, 15, 3, seen=0.7, c=0.2 if model == "3PL" else 0.0)
    assert_alike(truth.responses, 16, model=model)


def test_more_shards_than_persons():
    truth = simulate(40, 5, 3)
    assert_alike(truth.responses, 64, model="Rasch")


def test_partial_credit():
    rng = np.random.default_rng(4)
    theta = rng.normal(size=1200)[:, None]
    matrix = (theta + rng.logistic(size=(1200, 12)) > 0).astype(float)
    matrix[:, 6:] += theta + rng.logistic(size=(1200, 6)) > 0.5
    assert_alike(responses_of(matrix), model=irt.Models(polytomous_model="GPCM", item_models={7: "GRM"}))


def test_posteriors_with_nodes_of_their_own():
    truth = simulate(300, 400, 5, seen=np.arange(400) < np.random.default_rng(1).choice([5, 400], (300, 1)))
    # Polynomials of degree 24 on so few nodes depend on how far these reach.
    assert_alike(truth.responses, 4, within=5e-3)


def test_held_anchors_and_groups():
    truth = simulate(1600, 20, 6)
    anchors = truth.items.take(np.arange(8))
    options = irt.Options(linking_method="fixed")
    assert assert_alike(truth.responses, anchors=anchors, options=options).linking.method == "fixed"
    assert_alike(truth.responses, groups=np.arange(1600) // 800)


def test_blocks_that_nobody_connects_are_linked_apart():
    seen = np.zeros((1000, 20), bool)
    seen[:500, :12], seen[500:, 12:] = True, True
    truth = simulate(1000, 20, 7, seen=seen)
    whole = assert_alike(truth.responses, anchors=truth.items.take(np.array([0, 1, 2, 14, 15, 16])))
    assert len(whole.linking.others) == 1


def test_populations_found_by_the_choice_of_items():
    rng = np.random.default_rng(8)
    truth = simulate(4000, 60, 8)
    easier = np.argsort(np.argsort(truth.items.b))
    form = np.digitize(truth.theta + rng.normal(0, 0.3, 4000), [-0.6, 0.6])
    near = np.abs(easier - 10 - 20 * form[:, None]) < 16
    whole = assert_alike(responses_of(np.where(near, truth.right, np.nan)))
    assert len(whole.groups_mean) > 1


def test_an_impossible_score_is_named_from_any_shard():
    responses, _ = in_shards(simulate(30, 4, 1).responses, 3)
    with pytest.raises(irt.DataError, match="groups must be 30 integer codes"):
        irt.calibrate(responses, groups=np.zeros(29, int))


def test_sums_are_pairwise_in_the_order_of_the_shards():
    assert pairwise_sum(list("abcde"), "({} {})".format) == "(((a b) (c d)) e)"


def test_quantiles_of_the_number_of_answers():
    truth = simulate(101, 9, 2, seen=0.4)
    answers = answers_to(truth.responses, truth.items.item)
    shards, lengths = AnswerShards.here(answers), np.diff(answers.start)
    for share in (0.05, 0.5, 0.95):
        assert shards.length_quantile(share) == pytest.approx(np.quantile(lengths, share))
        assert shards.length_quantile(share, answered=True) == pytest.approx(np.quantile(lengths[lengths > 0], share))


def test_blocks_join_across_shards():
    matrix = np.full((4, 6), np.nan)
    for person, items in enumerate([(0, 1), (4, 5), (1, 4), (2, 3)]):
        matrix[person, list(items)] = 1
    shards, _ = in_shards(responses_of(matrix), 4)
    answers = shards.answers_to(np.arange(6), None, shards.one_group(), 1)
    assert unconnected_blocks(answers).tolist() == [0, 0, 1, 1, 0, 0]
