"""The exact likelihood, its gradients and the smoother, against the joint Gaussian of all codes."""

import numpy as np
import pytest

import kinostate as ks


def joint(A, C, Q, R, b, d, mu0, Sigma0, frames):
    """Means, covariances and covariance between (z_0 .. z_{T-1}) and (a_0 .. a_{T-1}), moved from frame to frame."""
    at = lambda x, t, axes: x if np.ndim(x) == axes else x[t]  # noqa: E731
    means, blocks = [mu0], {(0, 0): Sigma0}
    for t in range(1, frames):
        move = at(A, t, 2)
        means.append(move @ means[-1] + at(b, t, 1))
        for s in range(t):
            blocks[t, s] = move @ blocks[t - 1, s]
            blocks[s, t] = blocks[t, s].T
        blocks[t, t] = move @ blocks[t - 1, t - 1] @ move.T + Q
    z = np.block([[blocks[s, t] for t in range(frames)] for s in range(frames)])
    big = np.kron(np.eye(frames), C)
    mean = np.concatenate(means)
    codes = big @ mean + np.tile(d, frames)
    return mean, z, codes, big @ z @ big.T + np.kron(np.eye(frames), R), z @ big.T


def density(x, mean, cov):
    apart = x.ravel() - mean
    return -0.5 * (apart @ np.linalg.solve(cov, apart) + np.linalg.slogdet(2 * np.pi * cov)[1])


def parts(given):
    return {key: value for key, value in given.items() if key != "codes"}


def test_the_likelihood_is_that_of_the_joint_gaussian_of_all_codes(law):
    codes = law["codes"]
    _, _, mean, cov, _ = joint(**parts(law), frames=codes.shape[1])
    want = [density(one.ravel(), mean, cov) for one in codes]
    got = ks.lgssm.log_likelihood(**law)
    # Two exact ways in float64: some hundred roundings apart.
    np.testing.assert_allclose(got, want, rtol=1e-11)


def test_what_is_missing_is_left_out_of_the_joint_gaussian(law):
    codes = law["codes"].copy()
    mask = np.random.default_rng(1).random(codes.shape) < 0.6
    mask[0, 2] = False
    codes[~mask] = np.nan
    _, _, mean, cov, _ = joint(**parts(law), frames=codes.shape[1])
    want = [density(one[m], mean[m.ravel()], cov[np.ix_(m.ravel(), m.ravel())]) for one, m in zip(codes, mask)]
    np.testing.assert_allclose(ks.lgssm.log_likelihood(**(law | {"codes": codes}), mask=mask), want, rtol=1e-11)
    whole = mask.all(axis=-1)
    want = [
        density(one[m], mean[np.repeat(m, 2)], cov[np.ix_(np.repeat(m, 2), np.repeat(m, 2))])
        for one, m in zip(law["codes"], whole)
    ]
    np.testing.assert_allclose(ks.lgssm.log_likelihood(**law, mask=whole), want, rtol=1e-11)


def test_smoothed_moments_are_those_of_the_conditional_gaussian(law):
    codes = law["codes"]
    state, z, mean, cov, cross = joint(**parts(law), frames=codes.shape[1])
    gain = np.linalg.solve(cov, cross.T).T
    found = ks.lgssm.smooth(**law)
    left = z - gain @ cross.T
    for i, one in enumerate(codes):
        want = (state + gain @ (one.ravel() - mean)).reshape(-1, 3)
        np.testing.assert_allclose(found.mean[i], want, rtol=1e-10, atol=1e-12)
        for t in range(codes.shape[1]):
            own = left[3 * t : 3 * t + 3, 3 * t : 3 * t + 3]
            np.testing.assert_allclose(found.cov[i, t], own, rtol=1e-9, atol=1e-12)
    filtered, filtered_cov = ks.lgssm.filter(**law)
    np.testing.assert_array_equal(filtered[:, -1], found.mean[:, -1])
    np.testing.assert_array_equal(filtered_cov[:, -1], found.cov[:, -1])


def differences(of, at, symmetric=False, step=1e-5):
    """The gradient by central differences; of a covariance along symmetric changes."""
    found = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        change = np.zeros_like(at)
        change[index] = step
        if symmetric:
            change = 0.5 * (change + change.T)
        found[index] = (of(at + change) - of(at - change)) / (2 * step)
    return found


@pytest.mark.parametrize("weights", [None, [0.5, -2.0, 3.0]])
@pytest.mark.parametrize("steps", [False, True])
def test_gradients_are_those_of_central_differences(law, weights, steps):
    rng = np.random.default_rng(2)
    batch, frames, _ = law["codes"].shape
    law = law | {"u": rng.normal(size=(batch, frames, 2)), "B": rng.normal(size=(3, 2))}
    if steps:
        for name in "AbCd":
            law[name] = law[name] + 0.1 * rng.normal(size=(batch, frames, *law[name].shape))
    mask = np.ones((batch, frames), dtype=bool)
    mask[1, 3] = False
    value, found = ks.lgssm.log_likelihood_and_gradients(**law, mask=mask, weights=weights)
    scale = np.ones(batch) if weights is None else np.array(weights)
    np.testing.assert_array_equal(value, ks.lgssm.log_likelihood(**law, mask=mask))
    for name in law:
        of = lambda x: scale @ ks.lgssm.log_likelihood(**(law | {name: x}), mask=mask)  # noqa: B023, E731
        want = differences(of, law[name], name in ("Q", "R", "Sigma0"))
        # Central differences at 1e-5 err by some 1e-9 of the values' size, here up to 1e2.
        np.testing.assert_allclose(found[name], want, rtol=2e-6, atol=2e-6, err_msg=name)


def test_actions_move_the_state_from_their_own_frame_to_the_next(law):
    batch, frames, _ = law["codes"].shape
    u, B = np.zeros((batch, frames, 1)), np.array([[1.0], [2.0], [3.0]])
    u[:, 1] = 7.0
    b = np.broadcast_to(law["b"], (batch, frames, 3)).copy()
    b[:, 2] += 7.0 * B[:, 0]
    want = ks.lgssm.smooth(**(law | {"b": b}))
    got = ks.lgssm.smooth(**law, u=u, B=B)
    np.testing.assert_allclose(got.mean, want.mean, rtol=1e-13)


def test_float32_is_computed_in_float64(law):
    small = {name: value.astype(np.float32) for name, value in law.items()}
    # Halves that rounding made differ, as any float32 product leaves them.
    small["Q"][0, 1] = np.nextafter(small["Q"][0, 1], np.float32(9))
    got = ks.lgssm.log_likelihood(**small)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, ks.lgssm.log_likelihood(**law), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"codes": np.zeros((5, 2))}, r"codes: shape \(B, T, p\) expected, got \(5, 2\)"),
        ({"codes": np.zeros((3, 0, 2))}, "at least 1 frame"),
        ({"A": np.eye(4)}, r"b: shape \(4,\) or \(3, 5, 4\) expected"),
        ({"A": np.zeros(3)}, r"A: shape \(n, n\) or \(B, T, n, n\) expected, got \(3,\)"),
        ({"C": np.zeros((3, 2))}, r"C: shape \(2, 3\)"),
        ({"Q": np.eye(3) * 1j}, "Q: real numbers expected, got dtype complex128"),
        ({"R": "R"}, "R: real numbers expected, got dtype"),
        ({"R": [[1, 2], [3]]}, "R: an array of numbers expected"),
        ({"b": None, "mu0": [1, 2]}, r"mu0: shape \(3,\)"),
        ({"Q": -np.eye(3)}, "transition_cov is not positive definite"),
        ({"Q": np.eye(3) + np.eye(3, k=1)}, "transition_cov is not symmetric"),
        ({"A": np.full((3, 3), np.nan)}, "transition_matrix is not finite: value 0 is NaN"),
        ({"codes": np.full((3, 5, 2), np.nan)}, "sequence 0, step 0: innovation"),
        ({"mask": np.ones((3, 4), bool)}, r"mask: shape \(3, 5\) or \(3, 5, 2\) expected, got \(3, 4\)"),
        ({"mask": np.full((3, 5), 0.5)}, "mask: booleans expected"),
        ({"u": np.zeros((3, 5, 1))}, "u and B: both or neither"),
        ({"u": np.zeros((3, 5, 1)), "B": np.zeros((2, 1))}, r"B: shape \(3, 1\) expected"),
    ],
)
def test_wrong_arguments_are_named(law, change, words):
    for function in (ks.lgssm.log_likelihood, ks.lgssm.smooth, ks.lgssm.log_likelihood_and_gradients):
        with pytest.raises(ValueError, match=words):
            function(**(law | change))


def test_arrays_of_any_layout_are_taken(law):
    turned = {name: np.asfortranarray(value) for name, value in law.items()}
    np.testing.assert_array_equal(ks.lgssm.log_likelihood(**turned), ks.lgssm.log_likelihood(**law))
    strided = np.repeat(law["codes"], 2, axis=1)[:, ::2]
    np.testing.assert_array_equal(ks.lgssm.log_likelihood(**(law | {"codes": strided})), ks.lgssm.log_likelihood(**law))
