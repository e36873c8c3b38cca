// SPDX-License-Identifier: Apache-2.0
internal import JSONText
package import LanguageModel

/// How a checkpoint lays out its quantised matrices: what `quantization_config` of its config.json says.
///
/// A matrix of `out` outputs and `in` inputs whose tensor would be `X.weight` is several tensors instead.
package enum CheckpointLayout: Hashable, Sendable {
  /// AutoAWQ's GEMM version: `X.qweight` int32 (in, out / 8), `X.qzeros` int32 (groups, out / 8), `X.scales` f16
  /// (groups, out). Nibble i of a word is output `awqOrder[i]` of its eight: x = scale · (code − zero).
  case awq(bits: Int, group: Int)
  /// AutoGPTQ and GPTQModel: `X.qweight` int32 (in · bits / 32, out), codes of the inputs from the lowest bit up;
  /// `X.qzeros` int32 (groups, out · bits / 32), `X.scales` f16 (groups, out), `X.g_idx` int32 (in), the group of each
  /// input. Zero points are stored less `zeroOffset`: 1, or 0 in version 2.
  case gptq(bits: Int, group: Int, actOrder: Bool, zeroOffset: Int)
  /// bitsandbytes: `X.weight` u8 (in · out / 2, 1), two codes to a byte, the first in the high half, row by row;
  /// `X.weight.absmax` f32 per 64 codes; doubly quantised u8, with `X.weight.nested_absmax` f32 per 256 of them,
  /// `X.weight.nested_quant_map` f32 (256) and an offset; `X.weight.quant_map` f32 (16);
  /// `X.weight.quant_state.bitsandbytes__nf4` (or `__fp4`) u8, a JSON text.
  case fourBitLevels(isNormal: Bool, isDoubleQuantised: Bool)
  /// LLM.int8() of bitsandbytes: `X.weight` i8 (out, in), `X.SCB` f32 (out): x = code · SCB / 127.
  case int8Rows
  /// `X.weight` i8 or E4M3 (out, in), `X.weight_scale` of one element or (out, 1): x = code · scale. With blocks
  /// `X.weight_scale_inv` f32 (out / 128, in / 128), which multiplies too.
  case scaled(isFloat: Bool, hasBlocks: Bool)
  /// Sparse matrices of compressed-tensors: `X.compressed`, the weights that are not zero row by row, as floats of 16 or 32
  /// bits (n), or, with two of every four (sparse-24-bitmask), (out, in / 2); `X.bitmask` u8 (out, in / 8), a bit for each
  /// input from the lowest up; `X.shape` i64 (2); and `X.row_offsets` i64 (out), which follow from the mask.
  case bitmask(twoOfFour: Bool)
  /// gpt-oss: `X_blocks` u8 (experts, out, in / 32, 16) and `X_scales` u8 (experts, out, in / 32); of an expert's fused
  /// matrix outputs 2i and 2i + 1 are gate i and up i. All else is in 16 bits.
  case microscaledExperts

  /// The order of outputs in a word of AWQ, from the lowest nibble up.
  package static let awqOrder = [0, 2, 4, 6, 1, 3, 5, 7]
  static let microscaledBlocks = "_blocks"
  static let microscaledScales = "_scales"
  /// Elements that share an absmax, and absmaxes that share a nested one.
  package static let levelBlock = 64
  package static let nestedBlock = 256
  /// Rows and columns that share a `weight_scale_inv`.
  package static let scaleBlock = 128

  /// The format of its matrices.
  package var format: StorageFormat {
    switch self {
    case .awq(let bits, let group): .awq(bits: UInt8(bits), group: UInt16(clamping: group))
    case .gptq(let bits, let group, let actOrder, _):
      .gptq(bits: UInt8(bits), group: UInt16(clamping: group), actOrder: actOrder)
    case .fourBitLevels(let isNormal, let isDouble):
      isNormal ? .normalFloat4(isDoubleQuantised: isDouble) : .float4(isDoubleQuantised: isDouble)
    case .int8Rows: .int8PerRow
    case .scaled(let isFloat, let hasBlocks):
      isFloat ? hasBlocks ? .float8PerBlock : .float8PerTensor : .int8PerChannel
    case .microscaledExperts: .block(.mxfp4)
    // What an unstructured matrix keeps is its own.
    case .bitmask(let twoOfFour):
      .sparse(twoOfFour ? .structured(kept: 2, of: 4) : .unstructured(keptPermille: 500))
    }
  }
}

extension CheckpointLayout {
  /// Reads a config.json; nil when the checkpoint is not quantised.
  ///
  /// - Throws: `ModelFileError.notAModel` for a layout that nothing here reads.
  init?(configuration: JSON, path: String) throws(ModelFileError) {
    guard let settings = configuration["quantization_config"], settings["quant_method"] != nil else { return nil }
    func unknown(_ what: String) -> ModelFileError {
      .notAModel(path: path, reason: "its quantization_config has \(what), which is not read here")
    }
    let bits = settings["bits"]?.intValue ?? 4
    let group = max(0, settings["group_size"]?.intValue ?? 128)
    switch settings["quant_method"]?.stringValue ?? "" {
    case "awq":
      guard bits == 4 else { throw unknown("awq of \(bits) bits") }
      let version = settings["version"]?.stringValue?.lowercased() ?? "gemm"
      guard version == "gemm" else { throw unknown("the version '\(version)' of awq") }
      self = .awq(bits: bits, group: group)
    case "gptq":
      guard [2, 3, 4, 8].contains(bits) else { throw unknown("gptq of \(bits) bits") }
      self = .gptq(
        bits: bits, group: group, actOrder: settings["desc_act"]?.boolValue ?? false,
        zeroOffset: settings["checkpoint_format"]?.stringValue == "gptq_v2" ? 0 : 1)
    case "bitsandbytes":
      if settings["load_in_8bit"]?.boolValue == true {
        let threshold = settings["llm_int8_threshold"]?.doubleValue ?? Double(StorageFormat.outlierThreshold)
        guard threshold == Double(StorageFormat.outlierThreshold) else {
          throw unknown("an llm_int8_threshold of \(threshold) instead of \(StorageFormat.outlierThreshold)")
        }
        self = .int8Rows
      } else {
        self = .fourBitLevels(
          isNormal: settings["bnb_4bit_quant_type"]?.stringValue != "fp4",
          isDoubleQuantised: settings["bnb_4bit_use_double_quant"]?.boolValue ?? false)
      }
    case "mxfp4": self = .microscaledExperts
    case "fp8": self = .scaled(isFloat: true, hasBlocks: settings["weight_block_size"]?.arrayValue != nil)
    case "compressed-tensors":
      if let sparse = settings["sparsity_config"]?["format"]?.stringValue, sparse != "dense" {
        guard ["sparse-bitmask", "sparse-24-bitmask"].contains(sparse) else { throw unknown("the format '\(sparse)'") }
        guard settings["config_groups"]?.members?.isEmpty ?? true else {
          throw unknown("sparse matrices of quantised weights")
        }
        self = .bitmask(twoOfFour: sparse == "sparse-24-bitmask")
        return
      }
      guard let weights = settings["config_groups"]?.members?.first?.value["weights"],
        weights["num_bits"]?.intValue == 8, weights["strategy"]?.stringValue != "group"
      else { throw unknown("a compressed-tensors format other than eight bits per tensor, channel or block") }
      self = .scaled(
        isFloat: weights["type"]?.stringValue == "float", hasBlocks: weights["strategy"]?.stringValue == "block")
    case let method: throw unknown("the method '\(method)'")
    }
  }
}
