// SPDX-License-Identifier: Apache-2.0
import CKernels
import CostModel
import LanguageModel
import ModelFiles
import Quantities
import Testing

@testable import Inference

/// Panels that are made while a model runs.
@Suite struct LatePanelTests {
  /// Passes of one token, of a few and of more than those, each as the first one.
  private static let texts: [[[Int32]]] = [
    [[3], [17], [95, 0, 42], [8]],
    [[3, 17, 95], [42], [8, 61], [5]],
    [[3, 17, 95, 0, 42, 42, 8, 61, 5, 77, 13], [7], [3, 9], [5]],
  ]

  private func logits(
    _ architecture: ModelArchitecture, _ weights: any WeightSource, _ text: [[Int32]], _ kernels: KernelSet,
    _ pool: ThreadPool, defersPanels: Bool
  ) throws -> [[Float]] {
    let session = try InferenceSession(
      architecture: architecture, weights: weights, workload: Workload(contextTokens: 32), kernels: kernels,
      pool: pool, defersPanels: defersPanels)
    return try text.map { Array(try session.logits(after: $0)) }
  }

  @Test(arguments: BlockFormat.allCases.filter { ck_has_panels(Int32($0.ggufType)) != 0 })
  func `logits do not depend on when panels are made, bit for bit`(format: BlockFormat) throws {
    var architecture = smallArchitecture(layers: 1, isTied: format == .q6_k || format == .f16)
    // Some rows fill no panel.
    architecture.vocabularySize = 103
    try withPool(2) { pool in
      let weights = try SyntheticWeights(inventory: smallInventory(architecture, format), seed: 3, pool: pool)
      for kernels in runnableKernels() where kernels.repacks {
        for text in Self.texts {
          let runs = try [false, true].map {
            try logits(architecture, weights, text, kernels, pool, defersPanels: $0)
          }
          #expect(runs[0].allSatisfy { $0.allSatisfy(\.isFinite) })
          #expect(runs[0] == runs[1], "\(kernels.name)")
        }
      }
    }
  }

  /// The tensors whose panels are made before each of some passes.
  private func made(beforePassesOf rows: [Int]) throws -> [[Int]]? {
    let architecture = smallArchitecture()
    let inventory = smallInventory(architecture, .q8_0)
    let kernels = KernelSet.best
    guard kernels.interleaves(RuntimeFormat(.q8_0).kernelType) else { return nil }
    return try withPool(2) { pool in
      let ready = try InterleavedWeights.repacking(
        try SyntheticWeights(inventory: inventory, pool: pool), of: architecture, for: kernels, on: pool,
        isDeferred: true)
      let interleaved = try #require(ready as? InterleavedWeights)
      return rows.map { rows in
        interleaved.beforePass(ofRows: rows, on: pool)
        return inventory.tensors.indices.filter { interleaved.interleavedRows(ofTensor: $0) > 0 }
      }
    }
  }

  @Test func `the first pass finds no panels, and after two more all are made`() throws {
    guard let made = try made(beforePassesOf: [1, 1, 8, 1]) else { return }
    #expect(made[0].isEmpty)
    #expect(!made[1].isEmpty)
    #expect(Set(made[1]).isStrictSubset(of: made[2]))
    #expect(made[3] == made[2])
    #expect(try self.made(beforePassesOf: [Products.fewTokens + 1])?.first == made[2])
  }
}
