// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
package import Quantities

/// What a foreign engine allocates for a model, each by its own rules.
package enum EngineMemory {
  /// Where the model stands, and what of the place the engine may take.
  package struct Placement: Sendable, Equatable {
    package var isOnDevice: Bool
    /// Equal devices that share the model.
    package var devices: Int
    /// Of these, groups that hold layers in turn; the devices of a group share every matrix of a serving engine.
    package var stages = 1
    package var parallel: Int { max(1, devices / max(1, stages)) }
    /// Of one device.
    package var deviceMemory: ByteCount?
    /// Share of the device's memory that a serving engine fills, its cache with what the rest leaves.
    package var share = Placement.usualShare
    /// Older transformers computed the logits of all prompt tokens and widened them.
    package var keepsPromptLogits = false

    /// `gpu_memory_utilization` of vLLM where nobody sets it.
    package static let usualShare = 0.9

    package init(isOnDevice: Bool, devices: Int = 1, deviceMemory: ByteCount? = nil) {
      self.isOnDevice = isOnDevice
      self.devices = max(1, devices)
      self.deviceMemory = deviceMemory
    }
  }

  package static func items(
    _ engine: Engine, _ architecture: ModelArchitecture, weights: ByteCount, _ workload: Workload,
    _ placement: Placement
  ) -> [MemoryFootprint.Item] {
    switch engine {
    case .anprobe, .llamaCpp, .ollama, .ikLlamaCpp, .llamafile:
      LlamaCppMemory(
        architecture: architecture, weights: weights, workload: workload, isOnDevice: placement.isOnDevice,
        devices: placement.devices
      ).items
    case .vllm, .sglang, .tensorRT:
      ServingMemory(architecture, weights: weights, workload, placement).items
    case .transformers, .exllama, .mlx:
      TorchMemory(engine, architecture, weights: weights, workload, placement).items
    }
  }

  /// Loaded weights: padded blocks, and a head stored apart from its table, come on top of the tensors.
  static func loaded(_ weights: ByteCount) -> Known<ByteCount> {
    .known(weights, low: weights * 0.98, high: weights * 1.03, basis: .modelled, source: "sum of the tensors")
  }

  /// Bytes that hold the activations of `tokens` prompt tokens at their peak: the feed-forward part's three products and
  /// four states of the hidden width, in 16 bits.
  ///
  /// - Source: `2·(3·f + 4·d)` per token, met to 4 % by the peaks of Qwen2.5-3B and 32B at 30,720 tokens (Qwen's
  ///   benchmark page, transformers 4.46) and by vLLM's profiles of Llama-3.1-8B (225 and 1219 MiB at 2048 and 8192).
  ///
  /// - Parameter devices: that share every matrix.
  static func activations(_ architecture: ModelArchitecture, tokens: Int, devices: Int = 1) -> Double {
    let width = architecture.layers.reduce(0) { widest, layer in
      guard let part = layer.feedForward else { return widest }
      return max(widest, part.width, part.activeExperts * part.expertWidth + part.sharedExpertWidth)
    }
    return Double(tokens) * 2 * (3 * Double(width) / Double(devices) + 4 * Double(architecture.hiddenSize))
  }

  /// Keys and values of all sequences after `tokens` tokens, without padding, with recurrent states.
  static func cache(_ architecture: ModelArchitecture, _ workload: Workload, tokens: Int) -> Double {
    let sequences = max(1, workload.sequences)
    let elements = architecture.cacheElements(tokens: tokens) * sequences
    return Double(elements) * workload.keyValueFormat.bitsPerElement / 8
      + Double(architecture.stateElements * sequences) * 4
  }
}
