// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// What a training allocates, beside the files that it maps and the program itself.
///
/// Each number that changes takes 16 bytes: itself, its gradient and two moments. Activations grow with the window, not
/// with the batch.
package struct TrainerMemoryPlan: Sendable, Equatable {
  package let state: ByteCount
  /// What the layers' forward passes leave for the gradients, and the gradients of one layer.
  package let activations: ByteCount
  /// The logits of 64 tokens, attention's squares for each thread, and the largest frozen matrix as floats.
  package let scratch: ByteCount

  package var total: ByteCount { state + activations + scratch }

  /// - Parameter decodesFrozen: whether frozen matrices are in another format than 32-bit floats.
  package init(
    _ shape: NetworkShape, _ adaptation: Adaptation, context: Int, threads: Int, decodesFrozen: Bool = true
  ) {
    let float = MemoryLayout<Float>.size
    let parameters = shape.parameters
    let (trained, frozen, rank) =
      switch adaptation {
      case .frozen: (0, parameters, 0)
      case .allWeights: (parameters.reduce(0) { $0 + $1.count }, [], 0)
      case .lora(let lora):
        (
          parameters.filter { lora.targets.contains($0.key.role) }.reduce(0) {
            $0 + lora.rank * ($1.rows + $1.columns)
          },
          parameters, lora.rank
        )
      }
    state = ByteCount(4 * trained * float)
    activations = ByteCount(
      WindowMemory<Float>.numbers(shape, tokens: context, keepsLayers: adaptation != .frozen) * float)
    let decoded = decodesFrozen ? frozen.filter { !$0.isVector }.map(\.count).max() ?? 0 : 0
    let logits = min(context, WindowMemory<Float>.logitRows) * shape.vocabulary
    scratch = ByteCount((logits + 2 * threads * context * context + decoded + 2 * context * rank) * float)
  }
}

extension WindowMemory {
  /// Numbers of one window's buffers without its logits.
  static func numbers(_ shape: NetworkShape, tokens t: Int, keepsLayers: Bool) -> Int {
    func layer(queries: Int, keys: Int, inner: Int) -> Int {
      t * (4 * shape.hidden + 2 * queries + 2 * keys + 3 * inner)
    }
    let (queries, keys, inner) = (shape.widestQueries, shape.widestKeys, shape.widestInner)
    guard keepsLayers else { return layer(queries: queries, keys: keys, inner: inner) + 3 * t * shape.hidden }
    let kept = shape.layers.reduce(0) {
      $0 + layer(queries: $1.heads * $1.headWidth, keys: $1.groups * $1.headWidth, inner: $1.inner)
    }
    return kept + t * (4 * shape.hidden + 2 * queries + 2 * keys + inner)
  }
}
