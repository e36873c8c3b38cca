# SPDX-License-Identifier: Apache-2.0
"""How devices are joined to their hosts and to each other, by their vendors' data sheets as remembered.

The generation and lanes of PCI Express; the direct link between two devices that is built in; and the one of a bridge that
somebody may put on two cards. Direct links in GB/s one way, half of what vendors state for both.
"""
import re

TRANSFERS = {1: 2.5, 2: 5, 3: 8, 4: 16, 5: 32}

# (pattern, (generation, lanes), direct link, bridge); the first that is found counts.
LINKS = [
    (r"V100 SXM|p3\.", (3, 16), 150, None), (r"A100.*SXM|p4d|p4de|a2-highgpu|A100 40GB\)", (4, 16), 300, None),
    (r"(H100|H200) SXM|p5|ND96isr_H100|\bH20\b", (5, 16), 450, None), (r"GH200", None, 450, None),
    (r"B200 SXM|B300 SXM|p6-b200|GB[23]00", (5, 16), 900, None),
    (r"A100.*PCIe|A100_v4", (4, 16), None, 300), (r"H100 (PCIe|NVL)", (5, 16), None, 300), (r"H200 NVL", (5, 16), None, 450),
    (r"\bA30\b", (4, 16), None, 100), (r"RTX 3090|RTX A[56]000$|\bA40\b|RTX A4500$", (4, 16), None, 56.25),
    (r"RTX 2080 Ti|TITAN RTX", (3, 16), None, 50), (r"RTX 2070 SUPER|RTX 2080\b", (3, 16), None, 25),
    (r"Laptop|Max-Q|A770M|\(per GPU", None, None, None),
    (r"RTX 3050|RTX 4060|\bA2\b|RTX 2000 Ada|RX 66[05]0|RX 7600|A380|B5[78]0", (4, 8), None, None),
    (r"RTX 50[56]0|Arc Pro B[56]0", (5, 8), None, None), (r"RTX A400\b", (4, 8), None, None),
    (r"RTX 50[789]0|RTX PRO 6000|RX 90[67]0|R9700", (5, 16), None, None),
    (r"Instinct MI3[0-9]+X", (5, 16), 448, None),
    (r"P4\b|P40|P100|V100 PCIe|\bT4\b|GTX 1|RTX 20|TITAN V|Quadro|RX 580", (3, 16), None, None),
    (r"RTX 30|RTX 40|RTX A|RTX [456]000 Ada|\bA10G?\b|\bL4\b|L40|RX 6|RX 7|W7|Arc A|Instinct MI(50|60|1|2)", (4, 16), None, None),
]


def add_links(entry):
    """The entry of a machine with the links of its device, before its source."""
    if entry.get("computes") != "gpu":
        return entry
    for pattern, express, direct, bridge in LINKS:
        if re.search(pattern, entry["name"]):
            source = entry.pop("source", None)
            if express:
                generation, lanes = express
                share = 0.8 if generation <= 2 else 128 / 130
                entry["hostLinkBytesPerSecond"] = round(TRANSFERS[generation] * 1e9 / 8 * share * lanes)
            if direct:
                entry["peerLinkBytesPerSecond"] = round(direct * 1e9)
            if bridge:
                entry["bridgeBytesPerSecond"] = round(bridge * 1e9)
            if source is not None:
                entry["source"] = source
            return entry
    return entry
