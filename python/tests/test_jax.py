"""kinostate.jax against a filter written in JAX and differentiated by it."""

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402

import kinostate.jax as kj  # noqa: E402
from kinostate import lgssm  # noqa: E402


def reference(codes, A, C, Q, R, b, d, mu0, Sigma0):
    """The textbook filter: log p(a) of every sequence."""

    def one(sequence):
        def step(carry, code):
            mean, cov, total = carry
            S = C @ cov @ C.T + R
            apart = code - C @ mean - d
            gain = jnp.linalg.solve(S, C @ cov).T
            total -= 0.5 * (apart @ jnp.linalg.solve(S, apart) + jnp.linalg.slogdet(2 * jnp.pi * S)[1])
            mean, cov = mean + gain @ apart, cov - gain @ S @ gain.T
            return (A @ mean + b, A @ cov @ A.T + Q, total), None

        return jax.lax.scan(step, (mu0, Sigma0, 0.0), sequence)[0][2]

    return jax.vmap(one)(codes)


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [0.5, -2.0, 3.0]])
def test_values_and_gradients_are_those_of_a_filter_in_jax(law, weights):
    weights = jnp.array(weights)
    own = lambda law: kj.lgssm_log_likelihood(**law) @ weights  # noqa: E731
    value, found = jax.jit(jax.value_and_grad(own))(law)
    want, gradients = jax.jit(jax.value_and_grad(lambda law: reference(**law) @ weights))(law)
    np.testing.assert_allclose(value, want, rtol=1e-11)
    for name, gradient in gradients.items():
        if name in ("Q", "R", "Sigma0"):
            gradient = 0.5 * (gradient + gradient.T)
        # The textbook filter subtracts covariances: 1e-9 is what is left of it.
        np.testing.assert_allclose(found[name], gradient, rtol=1e-9, atol=1e-9, err_msg=name)


def test_gradients_reach_actions_masks_hide_and_vmap_maps(law):
    rng = np.random.default_rng(4)
    u, B = rng.normal(size=(3, 5, 2)), rng.normal(size=(3, 2))
    mask = rng.random((3, 5, 2)) < 0.7
    _, want = lgssm.log_likelihood_and_gradients(**law, u=u, B=B, mask=mask)
    own = lambda B, u: kj.lgssm_log_likelihood(**law, u=u, B=B, mask=mask).sum()  # noqa: E731
    found = jax.grad(own, argnums=(0, 1))(B, u)
    np.testing.assert_allclose(found[0], want["B"], rtol=1e-12)
    np.testing.assert_allclose(found[1], want["u"], rtol=1e-12)
    shifts = jnp.array([0.0, 0.5])
    many = jax.vmap(lambda s: kj.lgssm_log_likelihood(**(law | {"d": law["d"] + s})))(shifts)
    for s, got in zip(shifts, many):
        np.testing.assert_allclose(got, lgssm.log_likelihood(**(law | {"d": law["d"] + np.array(s)})), rtol=1e-14)
    weighted = jax.vmap(jax.grad(lambda w: kj.lgssm_log_likelihood(**(law | {"d": w})) @ jnp.arange(3.0)))(
        jnp.stack([law["d"]] * 2)
    )
    _, want = lgssm.log_likelihood_and_gradients(**law, weights=[0.0, 1.0, 2.0])
    np.testing.assert_allclose(weighted[1], want["d"], rtol=1e-12)


def test_wrong_shapes_are_named_before_anything_runs(law):
    with pytest.raises(ValueError, match=r"C: shape \(2, 3\)"):
        jax.jit(lambda C: kj.lgssm_log_likelihood(**(law | {"C": C})))(law["C"].T)
