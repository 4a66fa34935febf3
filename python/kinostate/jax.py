"""The exact likelihood of a linear-Gaussian state-space model for JAX, with closed-form gradients in every argument.

    value, gradients = jax.value_and_grad(lambda A: kinostate.jax.lgssm_log_likelihood(codes, A, C, Q, R).sum())(A)

It is computed on the host in float64 (`jax.pure_callback`), also under `jit`; results have the dtype of `codes`.
`jax.vmap` calls it once for every element."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from . import _kinostate as _rust
from .lgssm import _given

_NAMES = ("codes", "A", "b", "Q", "C", "d", "R", "mu0", "Sigma0")


def _host(mask, arrays) -> dict:
    codes, A, b, Q, C, d, R, mu0, Sigma0 = [np.asarray(array) for array in arrays]
    return _given(codes, A, C, Q, R, b, d, mu0, Sigma0, np.asarray(mask))


def _like(array):
    return jax.ShapeDtypeStruct(array.shape, array.dtype)


def _value(arrays):
    return jax.ShapeDtypeStruct(arrays[0].shape[:1], arrays[0].dtype)


def _gradients(found, arrays) -> tuple:
    return tuple(found[name].astype(array.dtype) for name, array in zip(_NAMES, arrays))


@jax.custom_vjp
def _log_likelihood(mask, arrays):
    def host(mask, arrays):
        return _rust.log_likelihood(_host(mask, arrays)).astype(arrays[0].dtype)

    return jax.pure_callback(host, _value(arrays), mask, arrays, vmap_method="sequential")


def _forward(mask, arrays):
    def host(mask, arrays):
        value, found = _rust.log_likelihood_and_gradients(_host(mask, arrays))
        return value.astype(arrays[0].dtype), _gradients(found, arrays)

    shapes = _value(arrays), tuple(_like(array) for array in arrays)
    value, gradients = jax.pure_callback(host, shapes, mask, arrays, vmap_method="sequential")
    return value, (mask, arrays, gradients)


def _backward(saved, upstream):
    mask, arrays, gradients = saved

    def host(mask, arrays, weights):
        weights = np.ascontiguousarray(weights, dtype=np.float64)
        return _gradients(_rust.log_likelihood_and_gradients(_host(mask, arrays), weights)[1], arrays)

    def alike():
        return tuple((upstream[0] * gradient).astype(gradient.dtype) for gradient in gradients)

    def each():
        shapes = tuple(_like(array) for array in arrays)
        return jax.pure_callback(host, shapes, mask, arrays, upstream, vmap_method="sequential")

    # Most losses are a sum or a mean; only other weights need one pass a sequence.
    found = jax.lax.cond(jnp.all(upstream == upstream[0]), alike, each)
    return np.zeros(mask.shape, dtype=jax.dtypes.float0), found


_log_likelihood.defvjp(_forward, _backward)


def lgssm_log_likelihood(
    codes, A, C, Q, R, *, b=None, d=None, mu0=None, Sigma0=None, mask=None, u=None, B=None
) -> jax.Array:
    """Exact log p(a) of every sequence, nats, (B); arguments and shapes as in `kinostate.lgssm`.

    Gradients reach every argument but the mask, also per-step laws, `u` and `B`; in reverse mode, once.
    """
    codes, A, C, Q, R = [jnp.asarray(array, dtype=float) for array in (codes, A, C, Q, R)]
    if (u is None) != (B is None):
        raise ValueError("lgssm: u and B: both or neither expected, got one")
    if codes.ndim != 3 or codes.shape[0] == 0:
        raise ValueError(f"lgssm: codes: shape (B, T, p) expected, got {codes.shape}")
    n, p = A.shape[-1], codes.shape[-1]
    b = jnp.zeros(n) if b is None else jnp.asarray(b, dtype=float)
    if u is not None:
        u, B = jnp.asarray(u, dtype=float), jnp.asarray(B, dtype=float)
        if u.ndim != 3 or u.shape[:2] != codes.shape[:2] or B.shape != (n, u.shape[2]):
            wanted = f"({codes.shape[0]}, {codes.shape[1]}, k) and ({n}, k)"
            raise ValueError(f"lgssm: u and B: shapes {wanted} expected, got {u.shape} and {B.shape}")
        b = jnp.concatenate([jnp.zeros_like(u[:, :1]), u[:, :-1]], axis=1) @ B.T + b
    d = jnp.zeros(p) if d is None else jnp.asarray(d, dtype=float)
    mu0 = jnp.zeros(n) if mu0 is None else jnp.asarray(mu0, dtype=float)
    Sigma0 = jnp.eye(n) if Sigma0 is None else jnp.asarray(Sigma0, dtype=float)
    mask = jnp.ones(codes.shape[:2], dtype=bool) if mask is None else jnp.asarray(mask, dtype=bool)
    arrays = (codes, A, b, Q, C, d, R, mu0, Sigma0)
    # Shapes are known before anything runs, so what does not fit is told here.
    shapes = [np.zeros(array.shape) for array in arrays]
    _given(
        shapes[0],
        shapes[1],
        shapes[4],
        shapes[3],
        shapes[6],
        shapes[2],
        shapes[5],
        shapes[7],
        shapes[8],
        np.zeros(mask.shape, bool),
    )
    return _log_likelihood(mask, arrays)
