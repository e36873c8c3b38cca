// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import CostModel
internal import Hardware
internal import Inference
internal import JSONText
internal import LanguageModel
internal import Quantities

extension Calibrator {
  /// Times a small model's passes without the arithmetic of the products: norms, rotations, activations, sums, and
  /// the conversion of each product's input.
  ///
  /// - Parameter barrier: seconds of an empty job, which the estimate counts apart.
  func passes(threads: Int, _ samples: inout RateSamples, barrier: Double) throws(LanguageRuntimeError) {
    progress("everything but products, on a small model")
    guard let model = Self.smallModel(layers: 8) else { return }
    let pool = try ThreadPool(count: threads)
    defer { pool.stop() }
    let workload = Workload(promptTokens: 32, generatedTokens: 0, contextTokens: 64)
    let work = ModelWork(model.architecture, workload)
    let session = try InferenceSession(
      architecture: model.architecture,
      weights: SyntheticWeights(inventory: model.inventory, kernels: kernels, pool: pool),
      workload: workload, kernels: kernels, pool: pool, productsAreIdle: true)
    for batch in [1, 32] {
      let tokens = [Int32](repeating: 1, count: batch)
      for _ in 0..<plan.repeats {
        let seconds = try Timing.seconds { () throws(LanguageRuntimeError) in
          for _ in 0..<plan.passRepeats {
            session.truncate()
            try session.run(tokens)
          }
        }
        let joins = Double(work.layers) * CalibratedSpeed.jobsPerLayer * barrier
        let rest = max(seconds / Double(plan.passRepeats) - joins, seconds / Double(plan.passRepeats) / 10)
        samples.add(.init(.elementwise, threads: threads, batch: batch), work.activationBytes * Double(batch) / rest)
      }
    }
  }

  /// A llama of 2048 wide layers in 8 bits.
  private static func smallModel(layers: Int) -> LanguageModelDescription? {
    let configuration: JSON = [
      "model_type": "llama", "vocab_size": 4096, "hidden_size": 2048, "intermediate_size": 5632,
      "num_hidden_layers": .integer(Int64(layers)), "num_attention_heads": 32, "num_key_value_heads": 4,
      "tie_word_embeddings": true,
    ]
    let plain = try? LanguageModelDescription(
      configuration: configuration, name: "calibration", provenance: .configuration(path: "built in"))
    return plain.flatMap { model in try? CompressionVariant(parsing: "q8_0").applied(to: model) }
  }
}
