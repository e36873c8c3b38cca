# SPDX-License-Identifier: Apache-2.0
"""Which machine of the catalogue a published measurement ran on, and the machines that the catalogue lacks.

Figures are the vendors' data sheets as remembered (D): memory, technology, bandwidth, peak rates, board power.
"""
import re

# name: vendor, GiB, technology, GB/s, dense TFLOP/s in 32 and 16 bits, TOP/s in 8 bits, W
DEVICES = {
    "GeForce GTX 1050 Ti": ("NVIDIA", 4, "GDDR5", 112, 2.1, 0.03, 8.5, 75),
    "GeForce GTX 1070": ("NVIDIA", 8, "GDDR5", 256, 6.5, 0.1, 25.8, 150),
    "GeForce GTX 1070 Ti": ("NVIDIA", 8, "GDDR5", 256, 8.2, 0.13, 32.7, 180),
    "GeForce GTX 1080": ("NVIDIA", 8, "GDDR5X", 320, 8.9, 0.14, 35.5, 180),
    "GeForce GTX 1650": ("NVIDIA", 4, "GDDR5", 128, 3.0, 6.0, 11.9, 75),
    "GeForce GTX 1650 Ti Max-Q": ("NVIDIA", 4, "GDDR6", 192, 2.4, 4.9, 9.8, 50),
    "GeForce GTX 1660": ("NVIDIA", 6, "GDDR5", 192, 5.0, 10.0, 20.1, 120),
    "GeForce GTX 1660 SUPER": ("NVIDIA", 6, "GDDR6", 336, 5.0, 10.0, 20.1, 125),
    "GeForce RTX 2070 Max-Q": ("NVIDIA", 8, "GDDR6", 384, 6.1, 24.2, 97, 80),
    "TITAN RTX": ("NVIDIA", 24, "GDDR6", 672, 16.3, 130.5, 261, 280),
    "TITAN V": ("NVIDIA", 12, "HBM2", 653, 14.9, 119, None, 250),
    "Quadro P4000": ("NVIDIA", 8, "GDDR5", 243, 5.3, 0.08, 21.2, 105),
    "RTX A400": ("NVIDIA", 4, "GDDR6", 96, 2.7, 10.9, 21.7, 50),
    "RTX A4500": ("NVIDIA", 20, "GDDR6", 640, 23.7, 94.6, 189, 200),
    "RTX A1000 Laptop": ("NVIDIA", 4, "GDDR6", 128, 6.0, 24, 48, 60),
    "RTX A4500 Laptop": ("NVIDIA", 16, "GDDR6", 512, 17.6, 70, 141, 110),
    "RTX A5000 Laptop": ("NVIDIA", 16, "GDDR6", 448, 21.7, 87, 174, 120),
    "RTX 5000 Ada Laptop": ("NVIDIA", 16, "GDDR6", 576, 42.6, 170, 341, 120),
    "RTX 5880 Ada": ("NVIDIA", 48, "GDDR6", 864, 69.3, 277, 554, 285),
    "Radeon RX 580": ("AMD", 8, "GDDR5", 256, 6.2, 6.2, 6.2, 185),
    "Radeon RX 6650 XT": ("AMD", 8, "GDDR6", 280, 10.8, 21.6, 21.6, 180),
    "Radeon PRO W7700": ("AMD", 16, "GDDR6", 576, 28.3, 56.5, 56.5, 190),
    "Arc A770M": ("Intel", 16, "GDDR6", 512, 13.5, 108, 216, 120),
}

# name: vendor, cores, technology, GB/s, TFLOP/s in 32 bits (cores x GHz x operations a cycle), W. Those of DOT_PRODUCTS
# multiply and add four bytes in one instruction (AVX-VNNI, AVX-512 VNNI, ASIMD dot product): four times the 32-bit rate.
PROCESSORS = {
    "2x Xeon E5-2697A v4": ("Intel", 32, "DDR4-2400", 153.6, 2.66, 290),
    "Threadripper PRO 5975WX": ("AMD", 32, "DDR4-3200", 204.8, 3.7, 280),
    "Threadripper 3970X": ("AMD", 32, "DDR4-3200", 102.4, 3.8, 280),
    "Ryzen 9 7940HS": ("AMD", 8, "DDR5-5600", 89.6, 1.0, 54),
    "Ryzen 5 7640U": ("AMD", 6, "DDR5-5600", 89.6, 0.8, 28),
    "Ryzen AI 5 340": ("AMD", 6, "DDR5-5600", 89.6, 0.8, 28),
    "Core i9-9900": ("Intel", 8, "DDR4-2666", 42.7, 1.0, 65),
    "Core i7-7820HQ": ("Intel", 4, "DDR4-2400", 38.4, 0.45, 45),
    "Core i7-1165G7": ("Intel", 4, "LPDDR4X-4267", 68.3, 0.5, 28),
    "Core i7-1185G7": ("Intel", 4, "LPDDR4X-4267", 68.3, 0.5, 28),
    "Core i5-9500": ("Intel", 6, "DDR4-2666", 42.7, 0.75, 65),
    "Core i5-6500": ("Intel", 4, "DDR4-2133", 34.1, 0.42, 65),
    "Core i5-4278U": ("Intel", 2, "DDR3-1600", 25.6, 0.18, 28),
    "Core i5-1035G7": ("Intel", 4, "LPDDR4X-3733", 59.7, 0.45, 15),
    "Core i5-1135G7": ("Intel", 4, "DDR4-3200", 51.2, 0.45, 28),
    "Core i3-14100": ("Intel", 4, "DDR5-4800", 76.8, 0.56, 110),
    "Apple M2 Pro as a processor": ("Apple", 8, "LPDDR5", 200, 0.9, 30),
    "Ampere Altra with 4 cores": ("Ampere", 4, "DDR4-3200", 41, 0.19, 20),
    "Graviton4 with 48 cores": ("AWS", 48, "DDR5-5600", 268.8, 4.3, 65),
}

DOT_PRODUCTS = {
    "Ryzen 9 7940HS", "Ryzen 5 7640U", "Ryzen AI 5 340", "Core i7-1165G7", "Core i7-1185G7", "Core i5-1035G7",
    "Core i5-1135G7", "Core i3-14100", "Apple M2 Pro as a processor", "Ampere Altra with 4 cores",
    "Graviton4 with 48 cores",
}

# Figures that no data sheet gives, and what they rest on.
ASSUMED = {"Ampere Altra with 4 cores": "assumed: a share of 10 GB/s per core of a cloud instance"}

# Graphics units per generation: TFLOP/s of one core, the factor of its matrix units, memory technology.
APPLE = {
    "M1": (0.325, 1, "LPDDR5"), "M2": (0.358, 1, "LPDDR5"), "M3": (0.41, 1, "LPDDR5"), "M4": (0.46, 1, "LPDDR5X"),
    "M5": (0.42, 3.9, "LPDDR5X"),
}
APPLE_BANDWIDTH = {
    "M1": 68.3, "M1 Pro": 204.8, "M1 Max": 409.6, "M1 Ultra": 819.2, "M2": 102.4, "M2 Pro": 204.8, "M2 Max": 409.6,
    "M2 Ultra": 819.2, "M3": 102.4, "M3 Pro": 153.6, "M3 Max": 409.6, "M3 Ultra": 819.2, "M4": 120, "M4 Pro": 273,
    "M4 Max": 546, "M5": 153.6, "M5 Pro": 307, "M5 Max": 614,
}
APPLE_CORES = {
    "M1": 8, "M1 Pro": 16, "M1 Max": 32, "M1 Ultra": 64, "M2": 10, "M2 Pro": 19, "M2 Max": 38, "M2 Ultra": 76, "M3": 10,
    "M3 Pro": 18, "M3 Max": 40, "M3 Ultra": 80, "M4": 10, "M4 Pro": 20, "M4 Max": 40, "M5": 10, "M5 Pro": 20, "M5 Max": 40,
}
APPLE_MEMORY = {"": 16, "Pro": 32, "Max": 64, "Ultra": 128}

PROCESSOR_RULES = [
    (r"7950x", "Ryzen 9 7950X"), (r"6980p", "Xeon 6980P (per socket, DDR5)"), (r"8480", "Xeon Platinum 8480+ (per socket)"),
    (r"e5-2697a", "2x Xeon E5-2697A v4"), (r"altra", "Ampere Altra with 4 cores"),
    (r"bcm2712|pi 5", "Raspberry Pi 5 / CM5"), (r"bcm2711|pi 400", "Raspberry Pi 4B"),
    (r"5975wx", "Threadripper PRO 5975WX"), (r"7940hs", "Ryzen 9 7940HS"), (r"5950x", "Ryzen 9 5950X"),
    (r"i9-9900\b", "Core i9-9900"), (r"3970x", "Threadripper 3970X"), (r"i5-6500", "Core i5-6500"),
    (r"i5-4278u", "Core i5-4278U"), (r"n100|n150", "Intel N100 mini PC"), (r"m2 pro cpu", "Apple M2 Pro as a processor"),
    (r"i5-1035g7", "Core i5-1035G7"), (r"1165g7", "Core i7-1165G7"), (r"1185g7", "Core i7-1185G7"),
    (r"ampereone", "AmpereOne A192-32X"), (r"orion o6|cix p1", "Radxa Orion O6 / CIX P1"), (r"7640u", "Ryzen 5 7640U"),
    (r"i3-14100", "Core i3-14100"), (r"i5-9500", "Core i5-9500"), (r"i7-7820hq", "Core i7-7820HQ"),
    (r"i5-1135g7", "Core i5-1135G7"), (r"graviton4", "Graviton4 with 48 cores"), (r"ai 5 340", "Ryzen AI 5 340"),
]

DEVICE_RULES = [
    (r"gb10|dgx spark", "DGX Spark (GB10)"), (r"agx orin", "Jetson AGX Orin 64GB"),
    (r"8060s|max\+ 395", "Ryzen AI Max+ 395 (Radeon 8060S)"),
    (r"h100 nvl", "H100 NVL 94GB"), (r"h100 pcie", "H100 PCIe 80GB"), (r"h100", "H100 SXM 80GB"),
    (r"gh200", "GH200 96GB (GPU part)"), (r"a100 ?80", "A100 80GB PCIe"), (r"a100", "A100 40GB SXM"), (r"\ba40\b", "A40"),
    (r"l40s", "L40S"), (r"\bl40\b", "L40"), (r"\bl4\b", "L4"), (r"\bt4\b", "T4"), (r"p100", "Tesla P100 PCIe 16GB"),
    (r"\bp40\b", "Tesla P40"), (r"\bp4\b", "Tesla P4"), (r"v100.*sxm", "Tesla V100 SXM2 32GB"),
    (r"v100", "Tesla V100 PCIe 16/32GB"), (r"rtx pro 6000", "RTX PRO 6000 Blackwell WS"), (r"6000 ada", "RTX 6000 Ada"),
    (r"5880 ada", "RTX 5880 Ada"), (r"5000 ada.*laptop", "RTX 5000 Ada Laptop"), (r"5000 ada", "RTX 5000 Ada"),
    (r"4000 ada", "RTX 4000 Ada"), (r"a6000", "RTX A6000"), (r"a5000 laptop", "RTX A5000 Laptop"), (r"a5000", "RTX A5000"),
    (r"a4500 laptop", "RTX A4500 Laptop"), (r"a4500", "RTX A4500"), (r"a4000", "RTX A4000"), (r"a2000", "RTX A2000 12GB"),
    (r"a1000 laptop", "RTX A1000 Laptop"), (r"\ba400\b", "RTX A400"), (r"titan rtx", "TITAN RTX"), (r"titan v", "TITAN V"),
    (r"p4000", "Quadro P4000"), (r"2070.*max-q", "GeForce RTX 2070 Max-Q"), (r"1650 ti", "GeForce GTX 1650 Ti Max-Q"),
    (r"1660 super", "GeForce GTX 1660 SUPER"), (r"1660 ti", "GeForce GTX 1660 Ti"), (r"1660", "GeForce GTX 1660"),
    (r"1650", "GeForce GTX 1650"), (r"1080 ti", "GeForce GTX 1080 Ti"), (r"1080", "GeForce GTX 1080"),
    (r"1070 ti", "GeForce GTX 1070 Ti"), (r"1070", "GeForce GTX 1070"), (r"1050 ti", "GeForce GTX 1050 Ti"),
    (r"rx 580", "Radeon RX 580"), (r"6650 xt", "Radeon RX 6650 XT"), (r"w7700", "Radeon PRO W7700"),
    (r"a770m", "Arc A770M"),
]


def device(text, catalogue):
    """The catalogue's name of a graphics device, or None."""
    text = text.lower()
    # A share of a card under a hypervisor, and an edition with lower clocks that no table has.
    if re.search(r"-\d+q\b|1070 with max-q|pro 6000.*max-q", text):
        return None
    for pattern, name in DEVICE_RULES:
        if re.search(pattern, text):
            return name
    match = re.search(r"\b(20[678]0|30[5-9]0|40[5-9]0|50[5-9]0)( ti)?( super| d\b)?", text)
    if match:
        name = "GeForce RTX " + match[1] + (" Ti" if match[2] else "") + (match[3] or "").upper()
        return shortest(name, [n for n in catalogue if ("Laptop" in n) == ("laptop" in text)])
    match = re.search(r"\b(6[6-9]00|7[6-9]00|90[67]0)\b ?(xtx|xt|gre)?", text)
    if match:
        return shortest(("Radeon RX " + match[1] + " " + (match[2] or "").upper()).strip(), catalogue)
    match = re.search(r"arc (pro )?([ab]\d+)", text)
    return shortest("Arc " + ("Pro " if match[1] else "") + match[2].upper(), catalogue) if match else None


def shortest(beginning, names):
    """The first name that begins so and is no other model of the series (`3060 Ti` is no `3060`)."""
    fits = [name for name in names if name.startswith(beginning)]
    fits = [name for name in fits if not re.match(r"( ?Ti| SUPER| XTX?| GRE| D)\b", name[len(beginning):])]
    return min(fits, key=len, default=None)


def apple(text):
    """(chip, cores of its graphics unit) of an Apple chip, or None."""
    match = re.search(r"\b(m[1-5])( pro| max| ultra)?\b", text.lower())
    if not match or not re.search(r"apple|ultra", text.lower()) or "cpu" in text.lower():
        return None
    chip = match[1].upper() + (match[2] or "").title()
    cores = re.search(r"(\d+)[- ]core gpu|\+(\d+)gpu|\((\d+) gpu|\((\d+)-core", text.lower())
    return chip, int(next(n for n in cores.groups() if n)) if cores else APPLE_CORES[chip]


def apple_entry(chip, cores):
    family, _, tier = chip.partition(" ")
    rate, factor, technology = APPLE[family]
    bandwidth = APPLE_BANDWIDTH[chip]
    if chip in ("M3 Max", "M4 Max", "M5 Max") and cores <= 32:
        bandwidth = {"M3 Max": 307.2, "M4 Max": 410, "M5 Max": 460}[chip]
    return entry(
        f"Apple {chip} with {cores} GPU cores", "Apple", "integrated-gpu", APPLE_MEMORY[tier], technology, bandwidth,
        rate * cores, rate * cores * factor, None, None, None)


def entry(name, vendor, computes, memory, technology, bandwidth, float32, float16, int8, watts, cores):
    values = {
        "name": name, "vendor": vendor, "computes": computes, "cores": cores, "memoryBytes": memory * 2**30,
        "memoryTechnology": technology, "bandwidthBytesPerSecond": round(bandwidth * 1e9),
        "float32OperationsPerSecond": round(float32 * 1e12),
        "float16OperationsPerSecond": round(float16 * 1e12) if float16 else None,
        "int8OperationsPerSecond": round(int8 * 1e12) if int8 else None, "thermalDesignWatts": watts,
        "source": ASSUMED.get(name, "D data sheet as remembered"),
    }
    return {key: value for key, value in values.items() if value is not None}


def further_entries():
    devices = [entry(name, v[0], "gpu", *v[1:], None) for name, v in DEVICES.items()]
    processors = [
        entry(name, v[0], "cpu", 64, v[2], v[3], v[4], None, 4 * v[4] if name in DOT_PRODUCTS else None, v[5], v[1])
        for name, v in PROCESSORS.items()
    ]
    for processor in processors:
        sockets = re.match(r"(\d+)x ", processor["name"])
        if sockets:
            processor["sockets"] = int(sockets[1])
    return devices + processors
