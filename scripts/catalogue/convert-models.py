#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns a table of models with Hugging Face shapes into the catalogue under profiles/models/.

usage: scripts/catalogue/convert-models.py MODELS.json [OUTPUT_FOLDER]

MODELS.json is one array of objects with the fields id, name, family, release, licence, type, config, parameters_*
and their sources.  One file per family is written, models sorted by size, so that a change shows as a small diff.
Keys that neither size nor run the language part are left out: towers, class names, training switches.
"""
import collections
import json
import pathlib
import sys

LEFT_OUT = {
    "architectures", "vision_config", "audio_config", "img_token_compression_config", "projector_hidden_size",
    "multimodal_projector_bias", "spatial_merge_size", "norm_topk_prob", "topk_method", "scoring_func",
    "score_function", "routed_scaling_factor", "topk_group", "n_group", "mamba_chunk_size", "chunk_size",
    "clip_qkv", "sparse_disable_index_value",
}


def reduced(config):
    return {
        key: reduced(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if key not in LEFT_OUT
    }


def parameters(model):
    names = [
        ("parameters_total", "total"), ("parameters_active", "active"), ("parameters_vision", "vision"),
        ("parameters_audio", "audio"), ("parameters_mtp", "mtp"), ("parameters_published", "published"),
        ("published_includes", "publishedIncludes"), ("parameters_source", "publishedSource"),
    ]
    return {new: model[old] for old, new in names if model.get(old) is not None}


def entry(model):
    result = {"id": model["id"], "name": model["name"], "release": model["release"], "licence": model["licence"]}
    result["kind"] = model["type"]
    if model.get("aliases"):
        result["aliases"] = model["aliases"]
    result["parameters"] = parameters(model)
    result["config"] = reduced(model["config"])
    result["configSource"] = model["config_source"]
    if model.get("note"):
        result["note"] = model["note"]
    return result


def text(family, models):
    """One key of a model per line: readable, and a changed value is a one-line diff."""
    lines = ["{", f'  "family": {json.dumps(family)},', '  "models": [']
    for position, model in enumerate(models):
        keys = [f"      {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in model.items()]
        lines += ["    {", ",\n".join(keys), "    }" + ("," if position + 1 < len(models) else "")]
    return "\n".join(lines + ["  ]", "}"]) + "\n"


def main(source, folder):
    families = collections.defaultdict(list)
    for model in json.loads(pathlib.Path(source).read_text(encoding="utf-8")):
        families[model["family"]].append(entry(model))
    folder = pathlib.Path(folder)
    for family, models in families.items():
        models.sort(key=lambda model: (model["parameters"]["total"], model["id"]))
        (folder / f"{family}.json").write_text(text(family, models), encoding="utf-8")
    print(f"{sum(map(len, families.values()))} models in {len(families)} files")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else "profiles/models")
