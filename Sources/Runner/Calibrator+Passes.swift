// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import CostModel
internal import Hardware
internal import Inference
internal import JSONText
internal import LanguageModel
internal import Quantities

/// A small model's passes without products and attention: norms, rotations, activations, sums.
struct PassProbe {
  private let session: InferenceSession
  private let work: ModelWork

  /// Tokens of a pass: of decoding, of a few sequences that decode together, of a prompt.
  static let batches = [1, 32, 512]
  /// Tokens that one sample runs through in each of them, at least two passes.
  private static let sampleTokens = 640
  private static let mostPasses = 20

  /// Nil where the model that is built in cannot be made.
  init?(kernels: KernelSet, pool: ThreadPool) throws(LanguageRuntimeError) {
    guard let model = Self.smallModel(layers: 8) else { return nil }
    let workload = Workload(promptTokens: 512, generatedTokens: 0, contextTokens: 544)
    work = ModelWork(model.architecture, workload)
    session = try InferenceSession(
      architecture: model.architecture,
      weights: SyntheticWeights(inventory: model.inventory, kernels: kernels, pool: pool),
      workload: workload, kernels: kernels, pool: pool, productsAreIdle: true)
  }

  /// Bytes of activations per second.
  ///
  /// - Parameter barrier: seconds of an empty job, which the estimate counts apart.
  func rate(batch: Int, barrier: Double) throws(LanguageRuntimeError) -> Double {
    let tokens = [Int32](repeating: 1, count: batch)
    let passes = max(2, min(Self.mostPasses, Self.sampleTokens / batch))
    let seconds =
      try Timing.seconds { () throws(LanguageRuntimeError) in
        for _ in 0..<passes {
          session.truncate()
          try session.run(tokens)
        }
      } / Double(passes)
    let joins = Double(work.layers) * CalibratedSpeed.jobsPerLayer(rows: batch) * barrier
    return work.activationBytes * Double(batch) / max(seconds - joins, seconds / 10)
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

extension Calibrator {
  func passes(threads: Int, _ samples: inout RateSamples, barrier: Double) throws(LanguageRuntimeError) {
    progress("everything but products and attention, on a small model")
    let pool = try ThreadPool(count: threads)
    defer { pool.stop() }
    guard let probe = try PassProbe(kernels: kernels, pool: pool) else { return }
    for batch in PassProbe.batches {
      for _ in 0..<plan.repeats {
        samples.add(.init(.elementwise, threads: threads, batch: batch), try probe.rate(batch: batch, barrier: barrier))
      }
    }
  }
}
