"""Exact inference in the linear-Gaussian state-space model, float64.

    z_0 ~ N(mu0, Sigma0)
    z_t = A_t z_{t-1} + b_t + B u_{t-1} + w_t,   w_t ~ N(0, Q)
    a_t = C_t z_t + d_t + v_t,                   v_t ~ N(0, R)          t = 0 .. T-1

Arguments of all functions, for B sequences of T frames, n latent and p code dimensions:

    codes   (B, T, p)   a; where `mask` is False any number may stand, NaN too
    A       (n, n), or (B, T, n, n) of every step: A[:, t] leads from t-1 to t, A[:, 0] is not used
    C       (p, n), or (B, T, p, n) of every frame
    Q, R    (n, n), (p, p), symmetric and positive definite
    b, d    (n), (p), or (B, T, n), (B, T, p); zero where left out
    mu0     (n), zero where left out;  Sigma0 (n, n), the identity where left out
    mask    (B, T): False where a frame is missing, or (B, T, p): where one component is
    u, B    (B, T, k), (n, k): what acts, u[:, t] from frame t to frame t+1 (u[:, -1] acts on nothing), and how

float32 is taken and computed in float64. ValueError names the argument, what was expected and got, or sequence and
step where a covariance is lost."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import _kinostate as _rust
from ._arrays import booleans, numbers

__all__ = ["Law", "Posterior", "filter", "log_likelihood", "log_likelihood_and_gradients", "smooth"]


class Law(NamedTuple):
    """A time-invariant law by the letters of this module: `smooth(codes, **law._asdict())`."""

    A: np.ndarray
    b: np.ndarray
    Q: np.ndarray
    C: np.ndarray
    d: np.ndarray
    R: np.ndarray
    mu0: np.ndarray
    Sigma0: np.ndarray


class Posterior(NamedTuple):
    """Moments of every state."""

    log_likelihood: np.ndarray  #: log p(a), nats, summed over frames, (B)
    predicted_mean: np.ndarray  #: given codes before t, (B, T, n)
    predicted_cov: np.ndarray  #: (B, T, n, n)
    filtered_mean: np.ndarray  #: given codes up to t, (B, T, n)
    filtered_cov: np.ndarray  #: (B, T, n, n)
    smoothed_mean: np.ndarray  #: given all codes, (B, T, n)
    smoothed_cov: np.ndarray  #: (B, T, n, n)
    lag_one_cov: np.ndarray  #: Cov(z_t, z_{t-1}) given all codes, rows z_t, (B, T, n, n); zero at t = 0

    @property
    def mean(self) -> np.ndarray:
        """The smoothed mean, (B, T, n)."""
        return self.smoothed_mean

    @property
    def cov(self) -> np.ndarray:
        """The smoothed covariance, (B, T, n, n)."""
        return self.smoothed_cov

    @property
    def filtered(self) -> np.ndarray:
        """The filtered mean, (B, T, n)."""
        return self.filtered_mean


def _symmetric(name: str, values) -> np.ndarray:
    """A covariance; of float32 both halves, which rounding made differ, are taken for their mean."""
    cov = numbers(f"lgssm: {name}", values)
    array = np.asarray(values)
    if array.dtype.kind == "f" and array.dtype.itemsize < 8 and cov.ndim == 2 and cov.shape[0] == cov.shape[1]:
        apart = np.abs(cov - cov.T).max(initial=0.0)
        if apart <= 1e-5 * np.abs(cov).max(initial=0.0):
            cov = 0.5 * (cov + cov.T)
    return cov


def _given(codes, A, C, Q, R, b, d, mu0, Sigma0, mask) -> dict:
    """The arguments as the compiled half takes them: contiguous, float64, of the right shapes."""
    codes = numbers("lgssm: codes", codes)
    if codes.ndim != 3:
        raise ValueError(f"lgssm: codes: shape (B, T, p) expected, got {codes.shape}")
    A = numbers("lgssm: A", A)
    if A.ndim not in (2, 4):
        raise ValueError(f"lgssm: A: shape (n, n) or (B, T, n, n) expected, got {A.shape}")
    (sequences, frames, p), n = codes.shape, A.shape[-1]
    given = {
        "codes": codes,
        "A": A,
        "b": numbers("lgssm: b", np.zeros(n) if b is None else b),
        "Q": _symmetric("Q", Q),
        "C": numbers("lgssm: C", C),
        "d": numbers("lgssm: d", np.zeros(p) if d is None else d),
        "R": _symmetric("R", R),
        "mu0": numbers("lgssm: mu0", np.zeros(n) if mu0 is None else mu0),
        "Sigma0": _symmetric("Sigma0", np.eye(n) if Sigma0 is None else Sigma0),
        "frame_mask": None,
        "component_mask": None,
    }
    law = {"A": (n, n), "b": (n,), "Q": (n, n), "C": (p, n), "d": (p,), "R": (p, p), "mu0": (n,), "Sigma0": (n, n)}
    for name, shape in law.items():
        shapes = [shape, (sequences, frames, *shape)] if name in "AbCd" else [shape]
        if given[name].shape not in shapes:
            wanted = " or ".join(str(shape) for shape in shapes)
            raise ValueError(
                f"lgssm: {name}: shape {wanted} expected for codes {codes.shape} and {n} latent dimensions, "
                f"got {given[name].shape}"
            )
    if mask is not None:
        mask = booleans("lgssm: mask", mask)
        if mask.shape not in (codes.shape[:2], codes.shape):
            raise ValueError(f"lgssm: mask: shape {codes.shape[:2]} or {codes.shape} expected, got {mask.shape}")
        given["frame_mask" if mask.ndim == 2 else "component_mask"] = mask.view(np.uint8)
    return given


def _before(u, B, sequences: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """What acted before every frame, (B, T, k), and its matrix (n, k)."""
    u, B = numbers("lgssm: u", u), numbers("lgssm: B", B)
    if u.ndim != 3 or u.shape[:2] != (sequences, frames):
        raise ValueError(f"lgssm: u: shape ({sequences}, {frames}, k) expected, got {u.shape}")
    if B.ndim != 2 or B.shape[1] != u.shape[2]:
        raise ValueError(f"lgssm: B: shape (n, {u.shape[2]}) expected, got {B.shape}")
    before = np.zeros_like(u)
    before[:, 1:] = u[:, :-1]
    return before, B


def _moved(codes, A, b, u, B):
    """b with what acted in it: b_t + B u_{t-1}, (B, T, n)."""
    if (u is None) != (B is None):
        raise ValueError("lgssm: u and B: both or neither expected, got one")
    if u is None:
        return b
    before, B = _before(u, B, *np.shape(codes)[:2])
    n = np.shape(A)[-1]
    if B.shape[0] != n:
        raise ValueError(f"lgssm: B: shape ({n}, {B.shape[1]}) expected, got {B.shape}")
    return before @ B.T + (np.zeros(n) if b is None else numbers("lgssm: b", b))


def log_likelihood(
    codes, A, C, Q, R, *, b=None, d=None, mu0=None, Sigma0=None, mask=None, u=None, B=None
) -> np.ndarray:
    """Exact log p(a_0 .. a_{T-1}) of every sequence, nats, summed over frames, (B)."""
    b = _moved(codes, A, b, u, B)
    return _rust.log_likelihood(_given(codes, A, C, Q, R, b, d, mu0, Sigma0, mask))


def log_likelihood_and_gradients(
    codes, A, C, Q, R, *, b=None, d=None, mu0=None, Sigma0=None, mask=None, u=None, B=None, weights=None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """`log_likelihood` and the gradient of its sum over sequences, or of sum_i weights[i] log p(a^i), in closed form.

    The gradient is a dictionary by the names of the arguments, in their shapes; that of a covariance is the
    symmetric G with dL = sum_ij G_ij dM_ij for every symmetric change dM. Missing codes have gradient zero."""
    moved = _moved(codes, A, b, u, B)
    given = _given(codes, A, C, Q, R, moved, d, mu0, Sigma0, mask)
    if weights is not None:
        weights = numbers("lgssm: weights", weights)
        if weights.shape != given["codes"].shape[:1]:
            raise ValueError(f"lgssm: weights: shape {given['codes'].shape[:1]} expected, got {weights.shape}")
        if not np.isfinite(weights).all():
            raise ValueError("lgssm: weights: finite numbers expected")
    value, found = _rust.log_likelihood_and_gradients(given, weights)
    if u is not None:
        before, B = _before(u, B, *given["codes"].shape[:2])
        offsets = found["b"]
        found["B"] = np.einsum("btn,btk->nk", offsets, before)
        found["u"] = np.zeros_like(before)
        found["u"][:, :-1] = (offsets @ B)[:, 1:]
        if np.ndim(b) != 3:
            found["b"] = offsets.sum((0, 1))
    return value, found


def smooth(codes, A, C, Q, R, *, b=None, d=None, mu0=None, Sigma0=None, mask=None, u=None, B=None) -> Posterior:
    """Filter and smoother: moments of every state."""
    b = _moved(codes, A, b, u, B)
    return Posterior(**_rust.infer(_given(codes, A, C, Q, R, b, d, mu0, Sigma0, mask)))


def filter(codes, A, C, Q, R, *, b=None, d=None, mu0=None, Sigma0=None, mask=None, u=None, B=None):
    """Filtered means (B, T, n) and covariances (B, T, n, n): z_t given codes up to t."""
    found = smooth(codes, A, C, Q, R, b=b, d=d, mu0=mu0, Sigma0=Sigma0, mask=mask, u=u, B=B)
    return found.filtered_mean, found.filtered_cov
