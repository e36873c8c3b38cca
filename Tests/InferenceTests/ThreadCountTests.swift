// SPDX-License-Identifier: Apache-2.0
import CostModel
import LanguageModel
import Testing

@testable import Inference

/// What the number of threads of a phase does to results: nothing.
@Suite struct ThreadCountTests {
  private static let architecture = smallArchitecture(layers: 1, heads: 8, keyValueHeads: 2)

  /// The logits after a prompt of many rows, after a few and after one.
  private func logits(_ counts: ThreadCounts, _ weights: SyntheticWeights, _ kernels: KernelSet) throws -> [[Float]] {
    let pool = try ThreadPool(counts: counts)
    defer { pool.stop() }
    let session = try InferenceSession(
      architecture: Self.architecture, weights: weights,
      workload: Workload(contextTokens: 64, keyValueFormat: .f16, microBatch: 48), kernels: kernels, pool: pool)
    let prompt = (0..<40).map { Int32($0 * 7 % 96) }
    return try [prompt, [11, 12, 13], [14]].map { Array(try session.logits(after: $0)) }
  }

  @Test(arguments: [BlockFormat.f32, .q8_0, .q4_k, .iq2_xs, .q8_k])
  func `decode and prefill with any numbers of threads give the same bits`(format: BlockFormat) throws {
    let weights = try withPool(1) { pool in
      try SyntheticWeights(inventory: smallInventory(Self.architecture, format), seed: 3, pool: pool)
    }
    // OpenBLAS rounds by how its matrix is cut.
    for kernels in runnableKernels() where kernels.name != .openblas {
      let one = try logits(1, weights, kernels)
      for counts in [(1, 2), (2, 1), (2, 2), (4, 3)] as [(Int, Int)] {
        let other = try logits(ThreadCounts(decode: counts.0, prefill: counts.1), weights, kernels)
        #expect(other == one, "\(kernels.name), \(counts)")
      }
    }
  }
}
