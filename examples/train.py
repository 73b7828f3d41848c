#!/usr/bin/env python3
"""A training run in miniature, without dependencies: it fits a line to noisy points and prints its progress.

    slipway submit examples/train.py
    slipway submit -e EPOCHS=20 -e LR=0.001 examples/train.py
"""

import os
import random
import time

EPOCHS = int(os.environ.get("EPOCHS", "10"))
LR = float(os.environ.get("LR", "0.003"))


def main():
    rng = random.Random(7)
    xs = [rng.uniform(-1, 1) for _ in range(200)]
    points = [(x, 3 * x - 1 + rng.gauss(0, 0.1)) for x in xs]
    slope = offset = 0.0
    for epoch in range(1, EPOCHS + 1):
        for x, y in points:
            error = slope * x + offset - y
            slope -= LR * error * x
            offset -= LR * error
        loss = sum((slope * x + offset - y) ** 2 for x, y in points) / len(points)
        print(f"epoch {epoch}/{EPOCHS}  loss {loss:.4f}  y = {slope:.2f} x {offset:+.2f}", flush=True)
        time.sleep(0.3)


if __name__ == "__main__":
    main()
