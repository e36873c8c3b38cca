// SPDX-License-Identifier: Apache-2.0
internal import LanguageModel

extension CompressionStep {
  /// How a person makes it from the published model.
  package var howToObtain: String {
    switch self {
    case .structure(let step): step.howToObtain
    case .student(let model):
      "train \(model) on this model's next-token distributions, or on its answers where the vocabularies differ"
    case .mixture(let mixture, let hasMatrix): Self.quantize(mixture, hasMatrix: hasMatrix)
    case .uniform(let format):
      switch format {
      case .f32, .f16, .bf16: "convert_hf_to_gguf.py --outtype \(format.rawValue) MODEL"
      default: "llama-quantize --pure MODEL-f16.gguf MODEL.gguf \(format.rawValue.uppercased())"
      }
    case .linearLayers(let format): Self.obtain(format)
    }
  }

  private static func quantize(_ mixture: GGUFMixture, hasMatrix: Bool) -> String {
    let matrix = hasMatrix || mixture.needsImportanceMatrix ? "--imatrix imatrix.gguf " : ""
    return "llama-quantize \(matrix)MODEL-f16.gguf MODEL.gguf \(mixture.rawValue.uppercased())"
  }

  private static func obtain(_ format: StorageFormat) -> String {
    switch format {
    case .block: "convert_hf_to_gguf.py MODEL"
    case .awq(let bits, let group):
      "AutoAWQ: quantize with w_bit \(bits), q_group_size \(size(group)), version GEMM and a calibration text"
    case .gptq(let bits, let group, let actOrder):
      "GPTQModel or AutoGPTQ: quantize with bits \(bits), group_size \(size(group))"
        + (actOrder ? ", desc_act true" : "") + " and a calibration text"
    case .normalFloat4(let isDouble):
      "bitsandbytes at load: load_in_4bit, bnb_4bit_quant_type nf4, bnb_4bit_use_double_quant \(isDouble ? "true" : "false")"
    case .float4(let isDouble):
      "bitsandbytes at load: load_in_4bit, bnb_4bit_quant_type fp4, bnb_4bit_use_double_quant \(isDouble ? "true" : "false")"
    case .int8PerChannel: "llm-compressor: QuantizationModifier with scheme W8A8 and a calibration text"
    case .int8PerRow: "bitsandbytes at load: load_in_8bit"
    case .sparse(.unstructured): "Wanda or SparseGPT with a calibration text, unstructured"
    case .sparse(.structured(let kept, let group)):
      "Wanda or SparseGPT with a calibration text and the pattern \(kept):\(group)"
    case .float8PerBlock: "llm-compressor: QuantizationModifier with scheme FP8_BLOCK"
    case .float8PerTensor: "llm-compressor: QuantizationModifier with scheme FP8, or vLLM with --quantization fp8"
    }
  }
}

extension CompressionStep {
  /// A group as the libraries number it: -1 is a whole row.
  private static func size(_ group: UInt16) -> Int { group == 0 ? -1 : Int(group) }
}

extension CompressionVariant {
  /// The commands or tools of all steps, in order; for the published model, its download.
  package var howToObtain: [String] {
    steps.isEmpty ? ["Download the model as published."] : steps.map(\.howToObtain)
  }
}
