// SPDX-License-Identifier: Apache-2.0

/// What a person wants to do with a model: the inputs of every estimate and measurement.
package struct Workload: Sendable, Hashable {
  /// Tokens of the prompt that prefill processes.
  package var promptTokens: Int
  /// Tokens generated after it.
  package var generatedTokens: Int
  /// Positions for which the KV cache of one sequence has room.
  package var contextTokens: Int
  /// Sequences served at the same time, each with its own cache.
  package var sequences: Int
  package var keyValueFormat: KeyValueFormat
  /// Prompt tokens processed in one forward pass (llama.cpp's `n_ubatch`).
  package var microBatch: Int
  /// Scores of a prompt are never kept whole; llama.cpp does so by itself since 2025.
  package var hasFlashAttention: Bool
  /// Products that decode packed weights on the way; without them an engine unpacks in many small operations.
  package var hasFusedKernels = true
  /// Tokens that a draft puts behind each sequence's last one at most, to be judged in the same pass.
  package var draftTokens = 0

  package init(
    promptTokens: Int = 512, generatedTokens: Int = 128, contextTokens: Int = 4096, sequences: Int = 1,
    keyValueFormat: KeyValueFormat = .f16, microBatch: Int = 512,
    hasFlashAttention: Bool = true
  ) {
    self.promptTokens = promptTokens
    self.generatedTokens = generatedTokens
    self.contextTokens = contextTokens
    self.sequences = sequences
    self.keyValueFormat = keyValueFormat
    self.microBatch = microBatch
    self.hasFlashAttention = hasFlashAttention
  }
}

/// How keys and values are stored in the cache.
package enum KeyValueFormat: String, Sendable, Hashable, CaseIterable {
  case f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0, fp8

  /// Stored bits per element, block scales included (GGUF block sizes).
  package var bitsPerElement: Double {
    switch self {
    case .f32: 32
    case .f16, .bf16: 16
    case .q8_0: 8.5
    case .q5_1: 6
    case .q5_0: 5.5
    case .q4_1: 5
    case .q4_0: 4.5
    case .fp8: 8
    }
  }
}

/// The program that runs the model; each has its own rules for formats, memory and speed.
package enum Engine: String, Sendable, Hashable, CaseIterable {
  /// The built-in runtime: processors only.
  case anprobe
  case llamaCpp = "llama.cpp"
  /// Runs llama.cpp.
  case ollama
  /// A fork of llama.cpp with faster processor kernels.
  case ikLlamaCpp = "ik_llama.cpp"
  /// An older llama.cpp with its own products, in one file.
  case llamafile
  case vllm, sglang
  case tensorRT = "tensorrt-llm"
  case transformers, mlx, exllama
}
