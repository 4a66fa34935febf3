"""Logits of I3D by JAX, for tests of src/measure/i3d.rs: `i3d.py small OUT` or `i3d.py FILE.ckpt OUT`, both JSON.

`small` has two or three channels everywhere and weights by a formula, so that its few logits can stand in a test. Both see
the same clip of 9 frames of 8 x 8; beside the logits stand CPU seconds a clip of 16 frames (after compilation).
"""
import json, pickle, sys, time
import jax, numpy as np
import jax.numpy as jnp
from jax import lax

SIDE = 224


def noise(count, state):
    """Numbers in [-1, 1): Knuth's MMIX generator, the upper 24 bits."""
    out = np.empty(count, "f4")
    for i in range(count):
        state = (state * 6364136223846793005 + 1) % 2**64
        out[i] = (state >> 40) / 2**23 - 1
    return out


def small():
    """The network's arrays with few channels, in the order in which Rust's test makes them."""
    params, stats, seed = {}, {}, 0

    def unit(tree, stat, name, k, before, after):
        nonlocal seed
        seed += 1
        fan = k**3 * before
        tree[name] = {"Conv_0": {"kernel": (noise(fan * after, seed) * np.float32((6 / fan) ** 0.5)).reshape(k, k, k, before, after)},
                      "BatchNorm_0": {"bias": noise(after, seed + 1000) * np.float32(0.1)}}
        stat[name] = {"BatchNorm_0": {"mean": (noise(after, seed + 2000) * np.float32(0.1)).reshape(1, 1, 1, 1, after),
                                      "var": (1 + noise(after, seed + 3000) * np.float32(0.5)).reshape(1, 1, 1, 1, after)}}

    unit(params, stats, "Conv3d_1a_7x7", 7, 3, 2)
    unit(params, stats, "Conv3d_2b_1x1", 1, 2, 2)
    unit(params, stats, "Conv3d_2c_3x3", 3, 2, 3)
    before = 3
    for block in "3b 3c 4b 4c 4d 4e 4f 5b 5c".split():
        p, s = params.setdefault(f"Mixed_{block}", {}), stats.setdefault(f"Mixed_{block}", {})
        unit(p, s, "Branch_0/Conv3d_0a_1x1", 1, before, 2)
        unit(p, s, "Branch_1/Conv3d_0a_1x1", 1, before, 2)
        unit(p, s, "Branch_1/Conv3d_0b_3x3", 3, 2, 3)
        unit(p, s, "Branch_2/Conv3d_0a_1x1", 1, before, 2)
        unit(p, s, "Branch_2/Conv3d_0b_3x3", 3, 2, 2)
        unit(p, s, "Branch_3/Conv3d_0b_1x1", 1, before, 2)
        before = 9
    params["Logits/Conv3d_0c_1x1"] = {"Conv_0": {"kernel": noise(9 * 5, 9000).reshape(1, 1, 1, 9, 5), "bias": noise(5, 9001)}}
    return {"params": params, "batch_stats": stats}


def load(path):
    class Arrays(pickle.Unpickler):
        def find_class(self, module, name):
            core = getattr(np, "_core", None) or np.core
            return {"ndarray": np.ndarray, "dtype": np.dtype, "_reconstruct": core.multiarray._reconstruct}[name]
    return Arrays(open(path, "rb")).load()


def unit(x, p, s, stride=(1, 1, 1), relu=True):
    y = lax.conv_general_dilated(x, p["Conv_0"]["kernel"], stride, "SAME", dimension_numbers=("NDHWC", "DHWIO", "NDHWC"))
    y = y + p["Conv_0"].get("bias", 0)
    if s:
        y = (y - s["BatchNorm_0"]["mean"]) / jnp.sqrt(s["BatchNorm_0"]["var"] + 1e-3) + p["BatchNorm_0"]["bias"]
    return jax.nn.relu(y) if relu else y


def pool(x, k, s):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, *k, 1), (1, *s, 1), "SAME")


def network(x, weights):
    params, stats = weights["params"], weights["batch_stats"]

    def mixed(x, name):
        u = lambda x, m: unit(x, params[name][m], stats[name][m])
        return jnp.concatenate([u(x, "Branch_0/Conv3d_0a_1x1"), u(u(x, "Branch_1/Conv3d_0a_1x1"), "Branch_1/Conv3d_0b_3x3"),
                                u(u(x, "Branch_2/Conv3d_0a_1x1"), "Branch_2/Conv3d_0b_3x3"),
                                u(pool(x, (3, 3, 3), (1, 1, 1)), "Branch_3/Conv3d_0b_1x1")], -1)

    c = lambda x, n, s=(1, 1, 1): unit(x, params[n], stats[n], s)
    x = pool(c(x, "Conv3d_1a_7x7", (2, 2, 2)), (1, 3, 3), (1, 2, 2))
    x = pool(c(c(x, "Conv3d_2b_1x1"), "Conv3d_2c_3x3"), (1, 3, 3), (1, 2, 2))
    x = pool(mixed(mixed(x, "Mixed_3b"), "Mixed_3c"), (3, 3, 3), (2, 2, 2))
    for n in "bcdef":
        x = mixed(x, "Mixed_4" + n)
    x = pool(x, (2, 2, 2), (2, 2, 2))
    x = mixed(mixed(x, "Mixed_5b"), "Mixed_5c")
    x = lax.reduce_window(x, 0.0, lax.add, (1, 2, 7, 7, 1), (1, 1, 1, 1, 1), "VALID") / 98
    return unit(x, params["Logits/Conv3d_0c_1x1"], None, relu=False)[:, :, 0, 0].mean(1)


def resized(frames):
    """(T, 1, H, W) in [0, 1] to (T, 224, 224, 3) in [-1, 1], as TensorFlow's first resize_bilinear."""
    _, _, h, w = frames.shape

    def along(n):
        at = np.arange(SIDE, dtype="f4") * np.float32(n) / np.float32(SIDE)
        low = at.astype(int)
        return low, np.minimum(low + 1, n - 1), at - low
    (top, bottom, down), (left, right, to) = along(h), along(w)
    x = frames[:, 0]
    row = lambda i: x[:, i][:, :, left] + (x[:, i][:, :, right] - x[:, i][:, :, left]) * to
    y = row(top) + (row(bottom) - row(top)) * down[:, None]
    return np.repeat((2 * y - 1)[..., None], 3, -1).astype("f4")


if __name__ == "__main__":
    weights = small() if sys.argv[1] == "small" else load(sys.argv[1])
    run = jax.jit(lambda x: network(x, weights))
    clip = ((noise(9 * 64, 77) + 1) / 2).reshape(9, 1, 8, 8)
    logits = np.asarray(run(resized(clip)[None]))[0]
    long = resized(((noise(16 * 64, 78) + 1) / 2).reshape(16, 1, 8, 8))[None]
    run(long).block_until_ready()
    spent = []
    for _ in range(5):
        start = time.process_time()
        run(long).block_until_ready()
        spent.append(time.process_time() - start)
    json.dump({"logits": [float(v) for v in logits], "cpu_seconds": sorted(spent)[2]}, open(sys.argv[2], "w"))
