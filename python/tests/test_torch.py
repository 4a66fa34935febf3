"""kinostate.torch against PyTorch's own check and a likelihood written in PyTorch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import kinostate.torch as kt  # noqa: E402
from kinostate import lgssm  # noqa: E402


def tensors(law, dtype=torch.float64):
    return {name: torch.tensor(value, dtype=dtype, requires_grad=True) for name, value in law.items()}


def symmetric(law):
    """With covariances as functions of themselves that keep them symmetric, as any parametrisation does."""
    return law | {name: 0.5 * (law[name] + law[name].T) for name in ("Q", "R", "Sigma0")}


@pytest.mark.parametrize("steps", [False, True])
def test_gradients_pass_pytorchs_own_check_with_every_upstream_gradient(law, steps):
    rng = np.random.default_rng(3)
    law = law | {"u": rng.normal(size=(3, 5, 2)), "B": rng.normal(size=(3, 2))}
    if steps:
        for name in "AbCd":
            law[name] = law[name] + 0.1 * rng.normal(size=(3, 5, *law[name].shape))
    given, mask = tensors(law), torch.ones(3, 5, dtype=torch.bool)
    mask[1, 2] = False
    names = list(given)

    def of(*values):
        return kt.lgssm_log_likelihood(**symmetric(dict(zip(names, values))), mask=mask)

    # One row of the Jacobian for each of the three sequences.
    assert torch.autograd.gradcheck(of, tuple(given.values()))


def test_a_mean_is_the_sum_over_its_number(law):
    given = tensors(law)
    kt.lgssm_log_likelihood(**symmetric(given)).mean().backward()
    _, want = lgssm.log_likelihood_and_gradients(**law)
    for name, tensor in given.items():
        np.testing.assert_allclose(tensor.grad.numpy(), want[name] / 3, rtol=1e-12, atol=1e-14, err_msg=name)


def test_float32_comes_back_as_float32(law):
    given = tensors(law, torch.float32)
    found = kt.lgssm_log_likelihood(**symmetric(given))
    found.sum().backward()
    assert found.dtype == torch.float32 and given["A"].grad.dtype == torch.float32
    want = lgssm.log_likelihood(**law)
    np.testing.assert_allclose(found.detach().numpy(), want, rtol=1e-4)


def test_without_gradients_there_are_none(law):
    given = {name: tensor.detach() for name, tensor in tensors(law).items()}
    found = kt.lgssm_log_likelihood(**given)
    assert not found.requires_grad
    np.testing.assert_array_equal(found.numpy(), lgssm.log_likelihood(**law))


def test_wrong_arguments_are_named(law):
    given = tensors(law)
    with pytest.raises(ValueError, match=r"C: shape \(2, 3\)"):
        kt.lgssm_log_likelihood(**(given | {"C": given["C"].T}))
    with pytest.raises(ValueError, match="both or neither"):
        kt.lgssm_log_likelihood(**given, u=torch.zeros(3, 5, 1))
