#!/usr/bin/env python3
"""Writes lgssm_hard.json: ill-conditioned LGSSM cases in 80-digit arithmetic (mpmath 1.3.0), read as exact binary doubles.

Likelihood from the textbook Kalman filter, its gradient by central differences (step 1e-25, so about 50 digits are right), smoothed moments
from the textbook RTS smoother. Arrays are row-major; gradients of covariances are the symmetric G with dL = sum_ij G_ij dM_ij.
usage: python3 lgssm_hard.py > lgssm_hard.json"""
import json, random
from mpmath import mp, mpf, matrix, eye, log, pi, det, lu_solve, inverse

mp.dps = 80


def filtered(th, codes):
    A, C, Q, R, mean, cov = (th[k] for k in ("A", "C", "Q", "R", "mu0", "Sigma0"))
    total, steps = mpf(0), []
    for t, code in enumerate(codes):
        if t:
            mean, cov = A * mean, A * cov * A.T + Q
        predicted = (mean, cov)
        S = C * cov * C.T + R
        rest = code - C * mean
        Si = inverse(S)
        total -= ((rest.T * Si * rest)[0] + log(det(S)) + len(code) * log(2 * pi)) / 2
        K = cov * C.T * Si
        mean, cov = mean + K * rest, cov - K * C * cov
        steps.append((predicted, (mean, cov)))
    return total, steps


def smoothed(th, steps):
    mean, cov = steps[-1][1]
    out = [(mean, cov)]
    for t in range(len(steps) - 2, -1, -1):
        (m1, P1), (m, P) = steps[t + 1][0], steps[t][1]
        J = P * th["A"].T * inverse(P1)
        mean, cov = m + J * (mean - m1), P + J * (cov - P1) * J.T
        out.append((mean, cov))
    return out[::-1]


def gradient(th, codes, key):
    M, h = th[key], mpf(10) ** -25
    G = matrix(M.rows, M.cols)
    symmetric = key in ("Q", "R", "Sigma0")
    for i in range(M.rows):
        for j in range(i if symmetric else 0, M.cols):
            values = []
            for sign in (1, -1):
                D = M.copy()
                D[i, j] += sign * h
                if symmetric and i != j:
                    D[j, i] += sign * h
                values.append(filtered({**th, key: D}, codes)[0])
            G[i, j] = (values[0] - values[1]) / (2 * h)
            if symmetric and i != j:
                G[i, j] /= 2
                G[j, i] = G[i, j]
    return G


def flat(M):
    return [float(M[i, j]) for i in range(M.rows) for j in range(M.cols)]


def case(name, n, p, T, q, r, radius=1.0, scale=1.0, seed=0):
    rng = random.Random(seed)
    h = n // 2
    A = eye(n) * mpf(radius)
    for i in range(h):
        A[i, i + h] = mpf(0.25)
    C = matrix(p, n)
    for i in range(p):
        for j in range(n):
            C[i, j] = mpf(1.0 if i == j else (rng.gauss(0, 1) if p > n else 0.0))
    th = dict(A=A, C=C, Q=eye(n) * mpf(q), R=eye(p) * mpf(r), mu0=matrix(n, 1), Sigma0=eye(n) * mpf(20.0))
    # codes of the model itself, in plain doubles, times `scale`
    z = [rng.gauss(0, 2) for _ in range(n)]
    codes = []
    for t in range(T):
        if t:
            z = [float(sum(A[i, j] * z[j] for j in range(n))) + rng.gauss(0, q**0.5) for i in range(n)]
        codes.append(matrix([float(sum(C[i, j] * z[j] for j in range(n))) * scale + rng.gauss(0, r**0.5) for i in range(p)]))
    total, steps = filtered(th, codes)
    posterior = smoothed(th, steps)
    return dict(
        name=name, n=n, p=p, T=T, params={k: flat(v) for k, v in th.items()},
        x=[float(v) for code in codes for v in code], log_likelihood=float(total),
        smoothed_means=[v for m, _ in posterior for v in flat(m)], smoothed_covs=[v for _, P in posterior for v in flat(P)],
        gradients={k: flat(gradient(th, codes, k)) for k in th})


cases = [
    case("process_noise_1e-10", 4, 2, 20, 1e-10, 0.03),
    case("code_noise_1e-10", 4, 2, 20, 0.02, 1e-10),
    case("both_noises_1e-10", 4, 2, 20, 1e-10, 1e-10),
    case("more_codes_than_states_noise_1e-10", 2, 4, 20, 0.02, 1e-10),
    case("codes_of_1e6", 4, 2, 20, 0.02, 0.03, scale=1e6),
    case("unstable_1.02", 4, 2, 100, 1e-4, 1e-3, radius=1.02),
]
print(json.dumps(dict(about=__doc__, cases=cases)))
