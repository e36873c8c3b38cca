// SPDX-License-Identifier: Apache-2.0
package import Compression
internal import LanguageModel

/// How a model is to be trained further.
package struct TrainingPlan: Sendable, Equatable {
  package enum Method: Sendable, Equatable {
    /// Every weight.
    case full
    /// Two thin matrices of this rank beside every matrix inside the layers, the model in 16 bits.
    case lora(rank: Int)
    /// The same, the model in 4-bit normal floats with doubly quantised scales.
    case qlora(rank: Int)

    /// What `TrainingPlan.method` reads.
    package var name: String {
      switch self {
      case .full: "full"
      case .lora(let rank): "lora-\(rank)"
      case .qlora(let rank): "qlora-\(rank)"
      }
    }
  }

  package enum Optimizer: String, Sendable, CaseIterable {
    case adamw
    case adamw8bit = "adamw-8bit"
    /// 8-bit states in memory that the host holds when the device is full.
    case pagedAdamw8bit = "paged-adamw-8bit"
    case sgd

    /// Bytes beside a trained weight and its gradient: the weight in 32 bits, then one or two moments.
    ///
    /// - Source: mixed-precision AdamW keeps 4 + 4 + 4 bytes (ZeRO, arXiv 1910.02054), 8-bit Adam 1 + 1 for its moments
    ///   (arXiv 2110.02861), momentum alone 4.
    var stateBytes: Double {
      switch self {
      case .adamw: 12
      case .adamw8bit, .pagedAdamw8bit: 6
      case .sgd: 8
      }
    }
  }

  package var method: Method
  package var batch: Int
  package var sequenceTokens: Int
  package var optimizer: Optimizer
  /// Activations are computed again in the backward pass instead of being kept.
  package var hasCheckpointing: Bool

  package init(
    method: Method, batch: Int = 1, sequenceTokens: Int = 2048, optimizer: Optimizer = .adamw,
    hasCheckpointing: Bool = false
  ) {
    self.method = method
    self.batch = batch
    self.sequenceTokens = sequenceTokens
    self.optimizer = optimizer
    self.hasCheckpointing = hasCheckpointing
  }

  /// Reads `full`, `lora-16` and `qlora-16`; nil for anything else.
  package static func method(_ text: String) -> Method? {
    if text == "full" { return .full }
    let parts = text.split(separator: "-")
    guard parts.count == 2, let rank = Int(parts[1]), (1...65_536).contains(rank) else { return nil }
    switch parts[0] {
    case "lora": return .lora(rank: rank)
    case "qlora": return .qlora(rank: rank)
    default: return nil
    }
  }

  /// What is loaded, with the adapters that are trained.
  package var variant: CompressionVariant {
    switch method {
    case .full: CompressionVariant([.uniform(.bf16)])
    case .lora(let rank): CompressionVariant([.uniform(.bf16), .structure(.adapter(rank: rank))])
    case .qlora(let rank):
      CompressionVariant([
        .linearLayers(.normalFloat4(isDoubleQuantised: true)), .structure(.adapter(rank: rank)),
      ])
    }
  }
}
