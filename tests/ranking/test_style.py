"""What is counted as style, and how it is compared."""

from __future__ import annotations

import numpy as np
import pytest

from app.ranking.style import contrasts
from app.records.style import AnswerStyle, measure_style

ANSWER = """# Title

Some **bold** and __also bold__ words, but not snake__case__name.

## Steps
1. one
2) two
- three
  * four

```python
# not a header
- not a list
x = "**not bold**"
```
#hashtag
"""


def test_markdown_is_counted_outside_code() -> None:
    assert measure_style(ANSWER, length=40) == AnswerStyle(length=40, headers=2, lists=4, bold=2)


def test_length_is_in_characters_unless_tokens_are_known() -> None:
    assert measure_style("four").length == 4


def test_an_unclosed_fence_hides_the_rest() -> None:
    assert measure_style("# a\n```\n# b\n- c").headers == 1


def test_equal_looks_have_no_contrast_and_sides_are_mirrored() -> None:
    a, b = np.array([[10.0, 0.0], [30.0, 2.0]]), np.array([[10.0, 0.0], [10.0, 0.0]])
    there, back = contrasts(a, b), contrasts(b, a)
    assert there[0] == pytest.approx([0, 0])
    assert there == pytest.approx(-back)
    assert np.square(there).mean(axis=0) == pytest.approx([1, 1])


def test_no_votes_have_no_contrasts() -> None:
    assert contrasts(np.zeros((0, 4)), np.zeros((0, 4))).shape == (0, 4)
