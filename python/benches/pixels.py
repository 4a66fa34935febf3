"""Environment steps a second with pixels: kinostate's Pendulum beside gymnasium's own Pendulum-v1, drawn at the same size.

    pip install ./python pygame && python python/benches/pixels.py [--side 64] [--seconds 5]

Steps are counted by second of processor time, of all threads together, so that other work on the machine does not
count. Both draw every step as (H, W, C) bytes, ours in grey, as models take them, and in colour. Gymnasium's environment
draws with pygame on a screen of this size (its own is 500 pixels a side); kinostate's are 64 in one call, and one alone."""

from __future__ import annotations

import argparse
import os
import time

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

import gymnasium  # noqa: E402
import kinostate.gym  # noqa: E402, F401


def rate(step, count: int, seconds: float) -> float:
    """Steps by second of processor time of `step()`, which makes `count` of them."""
    step()
    done, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        step()
        done += count
    return done / (time.process_time() - start)


def ours(count: int, side: int, colour: bool, seconds: float) -> float:
    """Steps a second of so many of our pendulums in one call."""
    video = {"width": side, "height": side, "colour": colour}
    envs = gymnasium.make_vec("kinostate/PendulumV1-v0", num_envs=count, video=video)
    seen, _ = envs.reset(seed=0)
    assert seen.shape == (count, side, side, 3 if colour else 1), seen.shape
    actions = [envs.action_space.sample() for _ in range(16)]
    turn = iter(range(10**9))
    return rate(lambda: envs.step(actions[next(turn) % 16]), count, seconds)


def gymnasiums(side: int, seconds: float) -> float:
    """Steps a second of gymnasium's Pendulum-v1, every one drawn."""
    env = gymnasium.make("Pendulum-v1", render_mode="rgb_array")
    env.unwrapped.screen_dim = side
    env.reset(seed=0)
    assert env.render().shape == (side, side, 3)
    actions = [env.action_space.sample() for _ in range(16)]
    turn = iter(range(10**9))

    def step():
        _, _, terminated, truncated, _ = env.step(actions[next(turn) % 16])
        env.render()
        if terminated or truncated:
            env.reset()

    return rate(step, 1, seconds)


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=64, help="pixels a side")
    parser.add_argument("--seconds", type=float, default=5.0, help="time of each measurement")
    asked = parser.parse_args()
    theirs = gymnasiums(asked.side, asked.seconds)
    print(f"{asked.side} x {asked.side} pixels; steps by second of processor time")
    print(f"{'gymnasium Pendulum-v1, one':32} {theirs:11.0f} steps/s")
    for colour in (False, True):
        for count in (1, 64):
            own = ours(count, asked.side, colour, asked.seconds)
            what = f"kinostate, {'colour' if colour else 'grey'}, {count} a call"
            print(f"{what:32} {own:11.0f} steps/s   {own / theirs:6.1f} x")


if __name__ == "__main__":
    main()
