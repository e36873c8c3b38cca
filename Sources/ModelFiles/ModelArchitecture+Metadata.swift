// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

extension ModelArchitecture {
  /// What a GGUF file says of a model's shapes and rules, as `ModelArchitecture(metadata:inventory:file:)` reads it back;
  /// nil for a type that is not among `ggufNames`.
  ///
  /// - Source: the keys of the GGUF specification and of gguf-py's constants.
  package var metadataPairs: [(key: String, value: GGUFValue)]? {
    guard let name = Self.ggufNames[modelType], case .attention(let attention) = layers.first?.mixers.first else {
      return nil
    }
    func count(_ number: Int) -> GGUFValue { .uint32(UInt32(clamping: number)) }
    let pairs: [(String, GGUFValue)] = [
      ("vocab_size", count(vocabularySize)), ("context_length", count(contextLength ?? Self.shortestContext)),
      ("embedding_length", count(hiddenSize)), ("block_count", count(layers.count)),
      ("feed_forward_length", count(layers.first?.feedForward?.width ?? 0)),
      ("attention.head_count", count(attention.heads)), ("attention.head_count_kv", count(attention.keyValueHeads)),
      ("attention.key_length", count(attention.keyWidth)), ("attention.value_length", count(attention.valueWidth)),
      ("attention.layer_norm_rms_epsilon", .float32(Float(forward.normEpsilon))),
      ("rope.dimension_count", count(forward.rope.width ?? attention.keyWidth)),
      ("rope.freq_base", .float32(Float(forward.rope.base))),
    ]
    return [("general.architecture", .string(name))]
      + (pairs + forward.rope.scaling.metadataPairs).map { ("\(name).\($0.0)", $0.1) }
  }

  /// By Hugging Face's word for the type, llama.cpp's for the architecture.
  package static let ggufNames = ["llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"]

  /// What a configuration without the key means (transformers' LlamaConfig).
  private static let shortestContext = 2048
}

extension RopeScaling {
  /// Llama 3's kind is a tensor of divisors, and LongRoPE's kind is not written.
  fileprivate var metadataPairs: [(String, GGUFValue)] {
    switch self {
    case .none, .llama3, .longRope: return []
    case .linear(let factor):
      return [("rope.scaling.type", .string("linear")), ("rope.scaling.factor", .float32(Float(factor)))]
    case .yarn(let yarn):
      return [
        ("rope.scaling.type", .string("yarn")), ("rope.scaling.factor", .float32(Float(yarn.factor))),
        ("rope.scaling.original_context_length", .uint32(UInt32(clamping: Int(yarn.originalContext)))),
        ("rope.scaling.yarn_beta_fast", .float32(Float(yarn.betaFast))),
        ("rope.scaling.yarn_beta_slow", .float32(Float(yarn.betaSlow))),
      ]
    }
  }
}
