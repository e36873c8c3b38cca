# SPDX-License-Identifier: Apache-2.0
"""The program's names of how weights are stored, from the many spellings of tables."""
import re

GGUF = (
    "f32 f16 bf16 q2_k q2_k_s q3_k_s q3_k_m q3_k_l q4_0 q4_1 q4_k_s q4_k_m q5_0 q5_1 q5_k_s q5_k_m q6_k q8_0 iq1_s iq1_m "
    "iq2_xxs iq2_xs iq2_s iq2_m iq3_xxs iq3_xs iq3_s iq3_m iq4_nl iq4_xs tq1_0 tq2_0").split()
SPELLINGS = {
    "q4_k_xl": "q4_k_m", "q4_k_l": "q4_k_m", "q4_k_p": "q4_k_m", "q4_k": "q4_k_m", "q4": "q4_0", "q5": "q5_0",
    "mlx-4bit": "q4_0", "mlx-8bit": "q8_0", "q6_k_xl": "q6_k", "q5_k_xl": "q5_k_m", "q3_k_xl": "q3_k_l",
}


def variant(quant, model, engine):
    text, model = quant.lower(), model.lower()
    if re.search(r"lora|prun", text):
        return None
    if re.match(r"f16|fp16|bf16", text):
        # Published with experts in 4 bits; files named after 16 bits keep those.
        return "mxfp4_moe" if "gpt-oss" in model else "f16"
    if "awq" in text or (text == "int4" and engine == "vllm"):
        return "awq4-g128"
    if text.startswith("gptq"):
        group = re.search(r"g(32|64|128)\b", text)
        return "gptq4-g" + (group[1] if group else "128")
    if "nf4" in text:
        return "nf4-dq" if "double" in text else "nf4"
    for word, name in [("int8", "int8"), ("fp8", "fp8"), ("w4 ", "q4_0"), ("w2 ", "q2_k"), ("mxfp4", "mxfp4_moe")]:
        if text.startswith(word):
            return name
    if not text:
        if engine == "mlx":
            return "q4_0" if "4bit" in model else "q8_0" if "8bit" in model else None
        match = re.search(r"(q\d_k_[sml]|q\d_[01k]|iq\d_\w+|f16|bf16)", model.replace("-", "_"))
        return match[1] if match and match[1] in GGUF else "q4_k_m" if engine in ("ollama", "llama.cpp") else None
    text = re.sub(r"^ud-", "", text).split(" ")[0]
    text = SPELLINGS.get(text, text)
    return text if text in GGUF else None
