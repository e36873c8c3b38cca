// SPDX-License-Identifier: Apache-2.0
package import LanguageModel

/// What an engine can run, and on what.
///
/// - Source: the engines' own lists of formats and platforms, as of 2026.
package struct EngineRules: Sendable {
  /// How products with weights are computed; decides what a smaller format gains.
  package enum Kernel: String, Sendable {
    /// The weights stay packed in memory and are decoded on the way to the arithmetic: fewer bytes, faster steps.
    case packed = "weights decoded on the way to the arithmetic"
    /// 16- and 8-bit weights go to the matrix units as they are.
    case direct = "weights used as they are stored"
    /// The weights are expanded in memory first: smaller, but hardly faster than 16 bits.
    case expanded = "weights expanded before each product"
  }

  /// Makers of devices that the engine supports; empty for all.
  package var makers: [String]
  package var runsOnProcessors: Bool
  /// Reads GGUF files.
  package var readsGGUF: Bool
  package var formats: @Sendable (StorageFormat) -> Kernel?
  package var sharing = EngineSharing.alone

  package static func of(_ engine: Engine) -> EngineRules {
    switch engine {
    case .anprobe: EngineRules(makers: ["none"], runsOnProcessors: true, readsGGUF: true, formats: gguf)
    case .llamaCpp, .ollama, .llamafile, .ikLlamaCpp:
      EngineRules(makers: [], runsOnProcessors: true, readsGGUF: true, formats: gguf, sharing: .layers)
    case .vllm:
      EngineRules(
        makers: ["NVIDIA", "AMD", "Intel"], runsOnProcessors: true, readsGGUF: false, formats: served,
        sharing: .matrices)
    case .sglang:
      EngineRules(
        makers: ["NVIDIA", "AMD"], runsOnProcessors: false, readsGGUF: false, formats: served, sharing: .matrices)
    case .tensorRT:
      EngineRules(
        makers: ["NVIDIA"], runsOnProcessors: false, readsGGUF: false, formats: compiled, sharing: .matrices)
    case .transformers:
      EngineRules(makers: [], runsOnProcessors: true, readsGGUF: false, formats: eager, sharing: .modules)
    case .mlx: EngineRules(makers: ["Apple"], runsOnProcessors: false, readsGGUF: true, formats: affine)
    case .exllama:
      EngineRules(
        makers: ["NVIDIA", "AMD"], runsOnProcessors: false, readsGGUF: false, formats: grouped, sharing: .modules)
    }
  }

  package func runs(onDeviceOf maker: String) -> Bool {
    makers.isEmpty || maker == "unknown" || makers.contains { maker.lowercased().contains($0.lowercased()) }
  }

  private static func isFloat(_ format: StorageFormat) -> Bool { [.f32, .f16, .bf16].contains(format) }

  @Sendable private static func gguf(_ format: StorageFormat) -> Kernel? {
    guard case .block(let block) = format else { return nil }
    switch block {
    case .f64, .i8, .i16, .i32, .i64: return nil
    case .f32, .f16, .bf16: return .direct
    default: return .packed
    }
  }

  @Sendable private static func served(_ format: StorageFormat) -> Kernel? {
    switch format {
    case .awq, .gptq, .block(.mxfp4): .packed
    case .float8PerTensor, .float8PerBlock, .int8PerRow, .int8PerChannel: .direct
    case .normalFloat4, .float4: .expanded
    default: isFloat(format) ? .direct : nil
    }
  }

  @Sendable private static func compiled(_ format: StorageFormat) -> Kernel? {
    switch format {
    case .awq, .gptq: .packed
    case .float8PerTensor, .float8PerBlock, .int8PerRow, .int8PerChannel: .direct
    default: isFloat(format) ? .direct : nil
    }
  }

  @Sendable private static func eager(_ format: StorageFormat) -> Kernel? {
    switch format {
    case .awq, .gptq, .block(.mxfp4): .packed
    case .float8PerTensor, .float8PerBlock, .int8PerChannel: .direct
    case .normalFloat4, .float4, .int8PerRow: .expanded
    default: isFloat(format) ? .direct : nil
    }
  }

  @Sendable private static func affine(_ format: StorageFormat) -> Kernel? {
    switch format {
    case .block(.q4_0), .block(.q4_1), .block(.q8_0), .block(.mxfp4): .packed
    default: isFloat(format) ? .direct : nil
    }
  }

  @Sendable private static func grouped(_ format: StorageFormat) -> Kernel? {
    if case .gptq = format { return .packed }
    return isFloat(format) ? .direct : nil
  }
}
