// SPDX-License-Identifier: Apache-2.0

/// Engines that are fitted together, because they share kernels or have few published figures of their own.
package enum EngineGroup: String, Sendable, CaseIterable {
  case devices = "llama.cpp on devices"
  /// Of an older llama.cpp with its own products.
  case llamafileDevices = "llamafile on devices"
  case processors = "llama.cpp on processors"
  case servers = "engines of 16-bit and group-quantised weights"

  /// Nil for the built-in runtime, whose kernels are measured.
  package init?(_ engine: Engine, _ kind: DeviceKind) {
    switch engine {
    case .anprobe: return nil
    case .llamaCpp, .ollama, .ikLlamaCpp: self = kind == .processor ? .processors : .devices
    case .llamafile: self = kind == .processor ? .processors : .llamafileDevices
    case .vllm, .sglang, .tensorRT, .transformers, .mlx, .exllama: self = .servers
    }
  }

  var prior: SpeedPrior {
    switch self {
    case .devices, .llamafileDevices: .devices
    case .processors: .processors
    case .servers: .servers
    }
  }

  /// The name of the coefficients for an engine on a class of devices.
  package func classKey(_ engine: Engine, _ device: DeviceRates.Class) -> String {
    switch self {
    case .devices, .llamafileDevices: device.rawValue
    case .processors: (engine == .ikLlamaCpp ? "ik_llama.cpp" : "llama.cpp") + " on " + device.rawValue
    // SGLang runs the same kernels as vLLM; nobody published enough of it alone.
    case .servers: (engine == .sglang ? Engine.vllm : engine).rawValue
    }
  }
}
