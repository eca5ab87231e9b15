import numpy as np
import pytest

from models.abroca import Ranking, abroca, permuted


def area(group, rest):
    """ABROCA of two lists of (events, others) by score from the highest."""
    return abroca(*(np.array([counts], dtype=float) for side in (group, rest) for counts in zip(*side, strict=True)))[0]


def test_a_perfect_ranking_beside_a_worthless_one_differs_by_half():
    assert area([(1, 0), (0, 1)], [(1, 1), (0, 0)]) == pytest.approx(0.5)


def test_curves_that_cross_do_not_cancel_out():
    # Through (0, .5), (.5, .5), (.5, 1), (1, 1) beside the diagonal: twice a triangle of 1/8 above it.
    assert area([(1, 0), (0, 1), (1, 0), (0, 1)], [(1, 1), (0, 0), (0, 0), (0, 0)]) == pytest.approx(1 / 4)
    # Through (.5, 0), (.5, 1), (1, 1): a triangle of 1/8 below, then one above.
    assert area([(0, 1), (1, 0), (1, 0), (0, 1)], [(1, 1), (0, 0), (0, 0), (0, 0)]) == pytest.approx(1 / 4)


def test_two_curves_by_hand():
    # Group: (0, 0), (.25, .5), (1, 1); rest: (0, 0), (.5, .75), (1, 1).
    # Differences at 0, .25, .5, 1: 0, .5 - .375 = .125, .6667 - .75 = -.0833, 0; zero between .25 and .5 at
    # .25 + .25 x .125 / .20833 = .4. Area: .015625 + .009375 + .0041667 + .0208333 = .05.
    assert area([(2, 1), (2, 3)], [(3, 2), (1, 2)]) == pytest.approx(0.05)


def test_a_side_without_events_has_no_curve():
    assert np.isnan(area([(0, 1), (0, 1)], [(1, 1), (1, 0)]))


def test_a_ranking_counts_rows_by_enrolment_and_score():
    outcome = np.array([1, 0, 1, 0, 1, 0.0])
    score = np.array([0.9, 0.1, 0.5, 0.5, 0.9, 0.1])
    ranking = Ranking.of(outcome, score, np.array([0, 0, 1, 1, 2, 2]), 3)
    found = ranking.area(np.array([[True, False, False], [False, True, False], [True, True, True]]))
    # The first enrolment is ranked perfectly, the others' curve is (0, .5), (.5, 1), (1, 1): 1/8 below it.
    assert found[0] == pytest.approx(1 / 8)
    # The second is not ranked at all, the others perfectly.
    assert found[1] == pytest.approx(1 / 2)
    assert np.isnan(found[2])


def test_many_scores_in_64_parts_are_close_to_all_of_them():
    generator = np.random.default_rng(1)
    enrolment = np.arange(4000)
    outcome = (generator.random(4000) < 0.3).astype(float)
    score = outcome * 0.8 + generator.normal(size=4000)
    is_member = generator.random(4000) < 0.4
    order = np.argsort(-score)
    sides = [(outcome[order] == event) & (is_member[order] == member) for member in (True, False) for event in (1, 0)]
    exact = abroca(*(side[None, :].astype(float) for side in sides))[0]
    assert Ranking.of(outcome, score, enrolment, 4000).area(is_member[None, :])[0] == pytest.approx(exact, abs=0.003)


def test_dealing_anew_keeps_the_sizes_of_groups_in_each_stratum():
    codes, stratum = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 0, 0, 1, 1])
    dealt = permuted(codes, stratum, permutations=50)
    assert dealt.shape == (50, 6)
    for line in dealt:
        for part in (0, 1):
            assert sorted(line[stratum == part]) == sorted(codes[stratum == part])
    assert len({tuple(line) for line in dealt}) > 1
    assert np.array_equal(dealt, permuted(codes, stratum, permutations=50))


def test_where_groups_mean_nothing_the_area_is_like_its_null():
    generator = np.random.default_rng(2)
    people = 800
    outcome = (generator.random(people) < 0.2).astype(float)
    score = outcome + generator.normal(size=people)
    codes = (generator.random(people) < 0.5).astype(np.int64)
    ranking = Ranking.of(outcome, score, np.arange(people), people)
    null = ranking.area(permuted(codes, np.zeros_like(codes)) == 1)
    value = ranking.area((codes == 1)[None, :])[0]
    assert np.quantile(null, 0.01) < value < np.quantile(null, 0.99)
    assert null.mean() > 0.02  # an area is never below 0, so that small samples are far from it


def test_a_group_that_is_ranked_worse_is_far_above_the_null():
    generator = np.random.default_rng(3)
    people = 2000
    outcome = (generator.random(people) < 0.2).astype(float)
    codes = (generator.random(people) < 0.5).astype(np.int64)
    score = outcome * np.where(codes == 1, 0.2, 2.0) + generator.normal(size=people)
    ranking = Ranking.of(outcome, score, np.arange(people), people)
    null = ranking.area(permuted(codes, np.zeros_like(codes)) == 1)
    assert ranking.area((codes == 1)[None, :])[0] > null.mean() + 5 * null.std()
