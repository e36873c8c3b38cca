// SPDX-License-Identifier: Apache-2.0
import CKernels
package import CostModel
package import LanguageModel
internal import Quantities

/// Attention of one layer over a cache of all positions, for the calibration.
package final class AttentionProbe {
  private let attention: Attention
  private let buffers: RuntimeBuffers
  private let cache: KVCache
  private let pool: ThreadPool
  private let kernels: KernelSet
  private let layers: Int

  /// - Parameter layers: caches that are walked in turn, so that they do not all stay in the nearest cache.
  /// - Throws: `LanguageRuntimeError.outOfMemory`.
  package init(
    _ attention: Attention, context: Int, format: KeyValueFormat, layers: Int, kernels: KernelSet, pool: ThreadPool
  ) throws(LanguageRuntimeError) {
    self.attention = attention
    self.pool = pool
    self.kernels = kernels
    self.layers = layers
    var whole = attention
    whole.window = nil
    let architecture = ModelArchitecture(
      modelType: "llama", vocabularySize: 32, hiddenSize: attention.heads * attention.keyWidth, contextLength: nil,
      layers: Array(
        repeating: LayerDescription(mixers: [.attention(whole)], feedForward: FeedForward(width: 32)), count: layers
      ),
      hasTiedEmbeddings: true)
    let workload = Workload(contextTokens: context, keyValueFormat: format, microBatch: min(512, context))
    let plan = RuntimeMemoryPlan(
      architecture: architecture, inventory: TensorInventory(tensors: []), workload: workload, threads: pool.count)
    buffers = try RuntimeBuffers(plan: plan)
    cache = KVCache(format: format, buffers: buffers)
    fill(context)
  }

  private func fill(_ context: Int) {
    let width = attention.keyValueHeads * attention.keyWidth
    let row = (0..<width).map { Float($0 % 13) / 13 - 0.5 }
    for index in 0..<attention.heads * attention.keyWidth * min(512, context) {
      buffers.floats(.queries)[index] = Float(index % 11) / 11 - 0.5
    }
    for layer in 0..<layers {
      let place = cache.layer(layer, sequence: 0)
      for position in 0..<context {
        cache.store(
          keys: row, values: row, width: attention.keyWidth, at: position, of: place, kernels: kernels.row)
      }
    }
  }

  /// Attention of `tokens` new tokens behind `first` cached ones, in the first layers; the operations.
  package func run(tokens: Int, at first: Int, layers most: Int = .max) -> Double {
    let count = min(layers, most)
    let batch = Batch([Int32](repeating: 0, count: tokens)[...], at: first, of: 0)
    pool.withThreads(ofRows: tokens) {
      for layer in 0..<count { pass(layer).run(batch, on: pool) }
    }
    let pairs = (0..<tokens).reduce(0.0) { $0 + Double(first + $1 + 1) }
    return 2 * Double(attention.heads * (attention.keyWidth + attention.valueWidth)) * pairs * Double(count)
  }

  private func pass(_ layer: Int) -> AttentionPass {
    AttentionPass(
      attention: attention, cache: cache, layer: layer, queries: buffers.floats(.queries),
      mixed: buffers.floats(.mixed), scratch: buffers.floats(.attentionScratch), kernels: kernels.row,
      scale: 1 / Float(attention.keyWidth).squareRoot())
  }
}
