"""The exact likelihood of a linear-Gaussian state-space model for PyTorch, with closed-form gradients in every
argument.

    ll = kinostate.torch.lgssm_log_likelihood(codes, A, C, Q, R, mask=mask)      # (B,)
    (-ll.mean()).backward()

It is computed on the CPU in float64, whatever the device and dtype of the arguments; results have those of `codes`.
"""

from __future__ import annotations

import numpy as np
import torch

from . import _kinostate as _rust
from .lgssm import _given

_NAMES = ("codes", "A", "b", "Q", "C", "d", "R", "mu0", "Sigma0")


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().to("cpu").contiguous().numpy()


class _LogLikelihood(torch.autograd.Function):
    @staticmethod
    def forward(ctx, mask, *tensors):
        codes, A, b, Q, C, d, R, mu0, Sigma0 = [_numpy(tensor) for tensor in tensors]
        given = _given(codes, A, C, Q, R, b, d, mu0, Sigma0, None if mask is None else _numpy(mask))
        ctx.given, ctx.like = given, [(tensor.dtype, tensor.device) for tensor in tensors]
        if any(ctx.needs_input_grad):
            value, ctx.gradients = _rust.log_likelihood_and_gradients(given)
        else:
            value = _rust.log_likelihood(given)
        return torch.from_numpy(value).to(tensors[0])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        upstream = np.ascontiguousarray(_numpy(upstream), dtype=np.float64)
        # Most losses are a sum or a mean; only other weights need one pass a sequence.
        if upstream.size == 0 or (upstream == upstream[0]).all():
            scale, gradients = (upstream[0] if upstream.size else 0.0), ctx.gradients
        else:
            scale, gradients = 1.0, _rust.log_likelihood_and_gradients(ctx.given, upstream)[1]
        found = []
        for name, (dtype, device), needed in zip(_NAMES, ctx.like, ctx.needs_input_grad[1:]):
            found.append(torch.from_numpy(scale * gradients[name]).to(device, dtype) if needed else None)
        return (None, *found)


def lgssm_log_likelihood(
    codes: torch.Tensor,
    A: torch.Tensor,
    C: torch.Tensor,
    Q: torch.Tensor,
    R: torch.Tensor,
    *,
    b: torch.Tensor | None = None,
    d: torch.Tensor | None = None,
    mu0: torch.Tensor | None = None,
    Sigma0: torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
    u: torch.Tensor | None = None,
    B: torch.Tensor | None = None,
) -> torch.Tensor:
    """Exact log p(a) of every sequence, nats, (B); arguments and shapes as in `kinostate.lgssm`.

    Gradients reach every floating-point argument, also per-step laws, `u` and `B`. They are exact once; a second
    derivative raises RuntimeError."""
    if (u is None) != (B is None):
        raise ValueError("lgssm: u and B: both or neither expected, got one")
    n, p = A.shape[-1], codes.shape[-1]
    zeros = lambda size: torch.zeros(size, dtype=codes.dtype, device=codes.device)  # noqa: E731
    b = zeros(n) if b is None else b
    if u is not None:
        if u.ndim != 3 or u.shape[:2] != codes.shape[:2] or B.shape != (n, u.shape[2]):
            wanted = f"({codes.shape[0]}, {codes.shape[1]}, k) and ({n}, k)"
            raise ValueError(f"lgssm: u and B: shapes {wanted} expected, got {tuple(u.shape)} and {tuple(B.shape)}")
        before = torch.cat([torch.zeros_like(u[:, :1]), u[:, :-1]], dim=1)
        b = before @ B.transpose(0, 1) + b
    d = zeros(p) if d is None else d
    mu0 = zeros(n) if mu0 is None else mu0
    Sigma0 = torch.eye(n, dtype=codes.dtype, device=codes.device) if Sigma0 is None else Sigma0
    return _LogLikelihood.apply(mask, codes, A, b, Q, C, d, R, mu0, Sigma0)
