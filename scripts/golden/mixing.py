# SPDX-License-Identifier: Apache-2.0
"""Weights that follow from a tensor's name: SplitMix64 (Steele, Lea and Flood 2014) seeded by the name's FNV-1a hash."""
import numpy as np


def mixed(name, count):
    """`count` words of 64 bits."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def values(tensor):
    """center + spread · (2u − 1) with u in [0, 1) of 24 bits, rounded to 32-bit floats."""
    count = int(np.prod(tensor["dimensions"]))
    unit = (mixed(tensor["name"], count) >> np.uint64(40)).astype(np.float64) / 2**24
    return (tensor["center"] + tensor["spread"] * (2 * unit - 1)).astype(np.float32)


def mxfp4(tensor):
    """Blocks of 17 bytes: an exponent of 2^(e−128) near 1/8, and 32 codes of four bits."""
    count = int(np.prod(tensor["dimensions"])) // 32 * 17
    data = (mixed(tensor["name"], count) >> np.uint64(56)).astype(np.uint8)
    data[::17] = 123 + data[::17] % 3
    return data
