// SPDX-License-Identifier: Apache-2.0

/// A part of one layer: it knows its shapes, adds its tensors, and says what the layer remembers and computes.
protocol LayerBlock: Sendable {
  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int)
}

/// What a normalisation stores.
enum NormStyle: Sendable {
  /// One weight per element (RMS norm, or a layer norm without bias).
  case weight
  /// A weight and a bias per element (layer norm).
  case weightAndBias
  /// Nothing is learnt (OLMo's first generation).
  case nothing
}

/// A normalisation of `width` elements.
struct NormBlock: LayerBlock {
  var role: TensorRole
  var width: Int
  var style: NormStyle

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    guard style != .nothing else { return }
    tensors.vector(role, layer: index, width)
    if style == .weightAndBias, let bias = role.bias { tensors.vector(bias, layer: index, width) }
  }
}

/// A further learnt vector that changes no state and no cache.
struct ExtraTensor: LayerBlock {
  var role: TensorRole
  var columns: Int

  func add(to layer: inout LayerDescription, tensors: inout TensorList, at index: Int) {
    tensors.vector(role, layer: index, columns)
  }
}
