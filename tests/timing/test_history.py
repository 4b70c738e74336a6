from app.timing.history import History


def test_before_anything_was_seen_the_first_guess_counts() -> None:
    history = History(first_load_s=9, first_answer_s=4)
    assert (history.load_s("m"), history.answer_s("m")) == (9, 4)


def test_a_model_that_was_never_seen_is_like_the_others() -> None:
    history = History()
    history.loaded("small", 2)
    history.loaded("large", 12)
    assert history.load_s("new") == 7


def test_the_mean_follows_a_host_that_became_slower() -> None:
    history = History()
    history.answered("m", 2)
    for _ in range(12):
        history.answered("m", 20)
    assert 19 < history.answer_s("m") <= 20
