// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
package import Quantities

/// What the runtime's memory plan needs to know of the weights.
package struct RuntimeWeights: Sendable, Equatable {
  /// Stored bytes, each tensor a multiple of 32.
  package var alignedBytes: ByteCount
  package var tensorCount: Int
  /// Norms and biases are kept as 32-bit floats besides.
  package var vectorElements: Int
  package var vectorBytes: ByteCount { ByteCount(vectorElements * 4) }

  package init(alignedBytes: ByteCount, tensorCount: Int, vectorElements: Int) {
    self.alignedBytes = alignedBytes
    self.tensorCount = tensorCount
    self.vectorElements = vectorElements
  }

  package init(_ inventory: TensorInventory) {
    alignedBytes = inventory.tensors.reduce(.zero) {
      $0 + $1.bytes.aligned(to: RuntimeMemoryPlan.tensorAlignment)
    }
    tensorCount = inventory.tensors.count
    vectorElements = inventory.tensors.reduce(0) { $0 + ($1.isKeptAsFloats ? $1.elements : 0) }
  }
}

extension TensorDescription {
  /// Vectors, and the few stacks of vectors that files store as matrices.
  package var isKeptAsFloats: Bool {
    switch role {
    case .expertGateBias, .expertUpBias, .expertDownBias, .sharedExpertRouter, .attentionQueryNorm, .attentionKeyNorm:
      true
    default: isVector
    }
  }
}
