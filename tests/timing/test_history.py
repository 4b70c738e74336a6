from app.timing.history import History, Rates


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


def test_the_third_slow_answer_in_a_row_is_told_once() -> None:
    rates = Rates()
    assert not any(rates.written("a", 50.0) for _ in range(8))
    assert [rates.written("a", 20.0) for _ in range(4)] == [False, False, True, False]
    assert not rates.written("a", 50.0)
    assert [rates.written("a", 20.0) for _ in range(3)] == [False, False, True]


def test_an_answer_that_shared_its_card_is_not_slow() -> None:
    rates = Rates()
    for _ in range(8):
        rates.written("a", 50.0)
    assert not any(rates.written("a", 15.0, alone=False) for _ in range(9))
    assert rates.usual()["a"] == 15.0, "it is what is usual, all the same"


def test_a_model_that_was_not_seen_loads_as_fast_for_its_size_as_those_that_were() -> None:
    history = History(9, 4)
    assert history.load_s("new", 20) == 9, "nothing was seen yet"
    history.loaded("small", 2.0, 10)
    history.loaded("large", 8.0, 40)
    assert history.load_s("new", 20) == 4.0
    assert history.load_s("new") == 5.0, "of a model without a size the mean is all that is known"
    assert history.load_s("small", 1000) == 2.0
