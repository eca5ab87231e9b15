from __future__ import annotations

import lightgbm as lgb
import numpy as np

from models.nuisance import Design, small_boosting


def test_every_call_of_lightgbm_says_the_same_number_of_threads_since_fits_run_side_by_side(monkeypatch):
    said = []
    predict, train = lgb.Booster.predict, lgb.train

    def seen_predict(self, *arguments, **named):
        said.append(named.get("num_threads"))
        return predict(self, *arguments, **named)

    def seen_train(settings, *arguments, **named):
        said.append(settings.get("num_threads"))
        return train(settings, *arguments, **named)

    monkeypatch.setattr(lgb.Booster, "predict", seen_predict)
    monkeypatch.setattr(lgb, "train", seen_train)
    generator = np.random.default_rng(0)
    columns = (generator.random((400, 5)) < 0.1).astype(float)
    target = (generator.random(400) < 0.3).astype(float)
    found = small_boosting(Design(tuple("abcde"), columns, columns[:, :1]), target, np.ones(400, bool), None)
    assert found.shape == (400,)
    assert said == [1, 1]
