"""The title of a loss chart states what its log says."""

import pytest

from tools.figures import title


class Log:
    def __init__(self, **end):
        self.end = dict(first_val_loss=10.0, val_loss=6.5, step=100, best_step=100, tokens=1_500_000, status="complete") | end


@pytest.mark.parametrize(("log", "stated"), [
    (Log(), "Validation loss: 10.00 to 6.50 nats in 1.5M tokens"),
    (Log(best_step=40, status="early stop"), "Validation stops improving at 600k tokens, at 6.50 nats"),
    (Log(best_step=98, status="stopped"), "Validation loss: 10.00 to 6.50 nats in 1.5M tokens, then stopped"),
])
def test_a_stopped_run_is_not_said_to_have_stopped_improving(log, stated):
    assert title(log) == stated
