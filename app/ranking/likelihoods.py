"""How probable a verdict is, given how much better the left model is: three models of ties.

``eta`` is the difference of two ratings in logits; ``kappa`` says how common ties are.

- *Half a win* (the default; Bradley and Terry 1952): P(left) = 1 / (1 + exp(-eta)), and a tie counts as half a win
  for each. No kappa.
- *Davidson* (1970): the weights of left, right and tie are exp(eta/2), exp(-eta/2) and exp(kappa). It is the model
  that Newman (2023, section 6) fits, with exp(kappa) = 2v.
- *Rao-Kupper* (1967): P(left) = 1 / (1 + exp(kappa - eta)), P(right) = 1 / (1 + exp(kappa + eta)), the rest is a
  tie; kappa > 0 is the margin below which voters see no difference.

All three are concave in (eta, kappa) together, so Newton's method finds the one maximum. The derivatives below are
those of the log-likelihood; second derivatives are given with the sign turned, so that they are positive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.ranking.choices import Ties

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Slopes:
    """Log-likelihood and derivatives, one figure per cell; ``*_kappa`` are zero for half a win."""

    value: float
    eta: Floats
    kappa: Floats
    eta_eta: Floats
    eta_kappa: Floats
    kappa_kappa: Floats


def _log_sigmoid(x: Floats) -> Floats:
    return -np.logaddexp(0.0, -x)


def _sigmoid(x: Floats) -> Floats:
    # The exponent is kept at or below zero, so that nothing overflows.
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def half_win(eta: Floats, kappa: float, left: Floats, right: Floats, tie: Floats) -> Slopes:  # noqa: ARG001 - one signature for the three
    """Bradley-Terry with half a win each for a tie."""
    wins, losses = left + 0.5 * tie, right + 0.5 * tie
    p = _sigmoid(eta)
    total, none = wins + losses, np.zeros_like(eta)
    value = float(wins @ _log_sigmoid(eta) + losses @ _log_sigmoid(-eta))
    return Slopes(value, wins - total * p, none, total * p * _sigmoid(-eta), none, none)


def davidson(eta: Floats, kappa: float, left: Floats, right: Floats, tie: Floats) -> Slopes:
    """Davidson's ties: a softmax over left (eta/2), right (-eta/2) and tie (kappa)."""
    logs = np.stack([eta / 2, -eta / 2, np.full_like(eta, kappa)])
    norm = np.logaddexp.reduce(logs, axis=0)
    p_left, p_right, p_tie = np.exp(logs - norm)
    total, lean = left + right + tie, p_left - p_right
    value = float(left @ (logs[0] - norm) + right @ (logs[1] - norm) + tie @ (logs[2] - norm))
    return Slopes(
        value,
        0.5 * (left - right - total * lean),
        tie - total * p_tie,
        0.25 * total * (p_left + p_right - lean * lean),
        -0.5 * total * lean * p_tie,
        total * p_tie * (1.0 - p_tie),
    )


def rao_kupper(eta: Floats, kappa: float, left: Floats, right: Floats, tie: Floats) -> Slopes:
    """Rao and Kupper's ties; the value is -inf for a kappa that leaves ties no room."""
    if kappa <= 0.0:
        none = np.zeros_like(eta)
        return Slopes(-np.inf, none, none, none, none, none)
    up, down = eta - kappa, -eta - kappa
    s_up, s_down = _sigmoid(up), _sigmoid(down)
    # P(tie) = (exp(2 kappa) - 1) s_up s_down, so a tie adds to the terms of both left and right.
    wins, losses = left + tie, right + tie
    log_room = 2 * kappa + np.log(-np.expm1(-2 * kappa))
    slope = 2.0 / -np.expm1(-2 * kappa)
    bend = slope * slope * np.exp(-2 * kappa)
    value = float(wins @ _log_sigmoid(up) + losses @ _log_sigmoid(down) + tie.sum() * log_room)
    g_up, g_down = wins * _sigmoid(-up), losses * _sigmoid(-down)
    h_up, h_down = g_up * s_up, g_down * s_down
    return Slopes(
        value, g_up - g_down, tie * slope - g_up - g_down, h_up + h_down, h_down - h_up, tie * bend + h_up + h_down
    )


Likelihood = Callable[[Floats, float, Floats, Floats, Floats], Slopes]
LIKELIHOODS: dict[Ties, Likelihood] = {Ties.HALF_WIN: half_win, Ties.DAVIDSON: davidson, Ties.RAO_KUPPER: rao_kupper}


def shares(ties: Ties, eta: Floats, kappa: float) -> tuple[Floats, Floats, Floats]:
    """How often left, right and neither win at ``eta``; half a win knows no ties."""
    if ties is Ties.DAVIDSON:
        logs = np.stack([eta / 2, -eta / 2, np.full_like(eta, kappa)])
        left, right, tie = np.exp(logs - np.logaddexp.reduce(logs, axis=0))
        return left, right, tie
    if ties is Ties.RAO_KUPPER:
        left, right = _sigmoid(eta - kappa), _sigmoid(-eta - kappa)
        return left, right, 1.0 - left - right
    return _sigmoid(eta), _sigmoid(-eta), np.zeros_like(eta)
