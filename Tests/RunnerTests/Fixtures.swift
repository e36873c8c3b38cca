// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Evidence
import Foundation
import Hardware
import HardwareProbe
import JSONText
import LanguageModel
import Quantities
import Runner
import Synchronization

enum Fixture {
  /// A llama whose widths are multiples of 256, so that every format applies.
  static func model(
    layers: Int = 2, vocabulary: Int = 512, modelType: String = "llama", heads: Int = 4, keyValueHeads: Int = 2
  ) throws -> LanguageModelDescription {
    let configuration: JSON = [
      "model_type": .string(modelType), "vocab_size": .integer(Int64(vocabulary)), "hidden_size": 256,
      "intermediate_size": 512, "num_hidden_layers": .integer(Int64(layers)),
      "num_attention_heads": .integer(Int64(heads)), "num_key_value_heads": .integer(Int64(keyValueHeads)),
      "tie_word_embeddings": false, "torch_dtype": "float16",
    ]
    return try LanguageModelDescription(
      configuration: configuration, name: "small", provenance: .configuration(path: "test"))
  }

  static func model(_ variant: String, layers: Int = 2) throws -> LanguageModelDescription {
    try CompressionVariant(parsing: variant).applied(to: model(layers: layers))
  }

  static let workload = Workload(promptTokens: 8, generatedTokens: 4, contextTokens: 32, microBatch: 8)

  static func request(
    _ variant: String = "q8_0", layers: Int = 2, mode: Evidence.Measurement.Mode = .full, samples: Int = 3
  ) throws -> MeasurementRequest {
    MeasurementRequest(
      model: try model(variant, layers: layers), variant: variant, workload: workload, threads: 2, mode: mode,
      samples: samples)
  }

  static func plan(_ request: MeasurementRequest) -> RuntimeMemoryPlan {
    RuntimeMemoryPlan(
      architecture: request.model.architecture, inventory: request.model.inventory, workload: request.workload,
      threads: request.threads.most)
  }

  /// This machine, as if its largest cache had so many bytes.
  static func machine(lastLevelCache: ByteCount? = nil) throws -> HardwareProfile {
    var machine = try HardwareProbe().profile()
    guard let lastLevelCache else { return machine }
    machine.processor.caches = [
      CacheLevel(level: 3, kind: .unified, size: lastLevelCache, sharedByProcessingUnits: 1, count: 1)
    ]
    return machine
  }
}

/// Says yes from the given question on.
final class Stop: Sendable {
  private let questions = Atomic<Int>(0)
  private let patience: Int

  init(after patience: Int) { self.patience = patience }

  var isAsked: Bool { questions.add(1, ordering: .relaxed).newValue > patience }
}
