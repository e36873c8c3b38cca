// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
package import Quantities

/// What the runtime's memory plan needs to know of the weights.
package struct RuntimeWeights: Sendable, Equatable {
  /// Bytes as the runtime keeps them, each tensor a multiple of 32.
  package var alignedBytes: ByteCount
  package var tensorCount: Int
  /// Norms and biases are kept as 32-bit floats besides.
  package var vectorElements: Int
  /// The largest inner width of matrices in factors and of adapters; 0 where there are none.
  package var rank = 0
  /// Outputs of the widest matrix with an adapter; 0 where there are none.
  package var adapterRows = 0
  /// Whether a matrix wants a copy of its input.
  package var copiesInput = false
  package var vectorBytes: ByteCount { ByteCount(vectorElements * 4) }

  package init(_ inventory: TensorInventory) {
    alignedBytes = inventory.tensors.reduce(.zero) {
      $0 + $1.runtimeBytes.aligned(to: RuntimeMemoryPlan.tensorAlignment)
    }
    tensorCount = inventory.tensors.count
    copiesInput = inventory.tensors.contains { $0.format.copiesInput }
    vectorElements = inventory.tensors.reduce(0) { $0 + ($1.isKeptAsFloats ? $1.elements : 0) }
    for tensor in inventory.tensors {
      switch tensor.part {
      case .whole, .outer: break
      case .inner, .adapterInner: rank = max(rank, Int(tensor.rows))
      case .adapterOuter: adapterRows = max(adapterRows, Int(tensor.rows))
      }
    }
  }

  /// The same with no bytes of their own: what the buffers beside the weights follow from.
  var withoutBytes: RuntimeWeights {
    var weights = self
    (weights.alignedBytes, weights.tensorCount, weights.vectorElements) = (.zero, 0, 0)
    return weights
  }
}

extension TensorDescription {
  /// Vectors, and the few stacks of vectors that files store as matrices.
  package var isKeptAsFloats: Bool {
    switch role {
    case .expertGateBias, .expertUpBias, .expertGateUpBias, .expertDownBias, .sharedExpertRouter, .attentionQueryNorm,
      .attentionKeyNorm:
      true
    default: isVector
    }
  }
}
