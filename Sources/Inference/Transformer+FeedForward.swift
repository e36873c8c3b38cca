// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel

extension Transformer {
  /// - Parameter stream: where the outputs may be added in place of `y`, if the part can.
  /// - Returns: whether it did.
  func feedForward(
    ofLayer index: Int, _ x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>,
    orAddingTo stream: UnsafeMutablePointer<Float>?
  ) -> Bool {
    switch model.layers[index].feedForward {
    case .dense(let network):
      return apply(network, to: x, tokens: tokens, into: y, orAddingTo: stream, beforeLayer: index + 1)
    case .experts(let experts):
      apply(experts, to: x, tokens: tokens, into: y)
      return false
    }
  }

  // y = down · (activation(gate · x) ⊙ (up · x)), or down · activation(up · x)
  @discardableResult
  func apply(
    _ network: PreparedNetwork, to x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>,
    orAddingTo stream: UnsafeMutablePointer<Float>? = nil, beforeLayer next: Int? = nil
  ) -> Bool {
    defer { clock?.lap(.down) }
    expect(network.down.matrix, tokens: tokens)
    let gate = buffers.floats(.gate)  // (t, f)
    if let tiles = multiplyGated(x, tokens: tokens, by: network, in: gate) {
      clock?.lap(.gateUp)
      products.multiplyTiles(
        tiles, tokens: tokens, by: network.down.matrix, into: stream ?? y, adds: stream != nil)
      return stream != nil
    }
    let up = buffers.floats(.up)  // (t, f)
    if tokens == 1, let input = multiplyActivated(x, by: network, gate: gate, up: up) {
      clock?.lap(.gateUp)
      if let next { expectStart(ofLayer: next, tokens: tokens) }
      products.multiplyOne(input, by: network.down.matrix, into: y, addingTo: stream)
      return stream != nil
    }
    if let gating = network.gate {
      multiply(x, tokens: tokens, by: [gating, network.up], into: [gate, up])
    } else {
      multiply(x, tokens: tokens, by: [network.up], into: [gate])
    }
    clock?.lap(.gateUp)
    activate(network, gate: gate, up: up, tokens: tokens)
    if let next { expectStart(ofLayer: next, tokens: tokens) }
    return apply(network.down, to: gate, tokens: tokens, into: y, orAddingTo: stream)
  }

  /// Both products and SiLU in one, of whole matrices without biases; nil where that cannot be. Whoever watches inputs
  /// wants those of `down` too, which are no floats here.
  private func multiplyGated(
    _ x: UnsafePointer<Float>, tokens: Int, by network: PreparedNetwork, in room: UnsafeMutablePointer<Float>
  ) -> UnsafeRawPointer? {
    guard let gate = network.gate, rules.activation == .silu, watcher == nil, network.isPlain else { return nil }
    return products.multiplyGated(
      x, tokens: tokens, gate: gate.matrix, up: network.up.matrix, down: network.down.matrix, in: room)
  }

  /// One token's products and their activation, of whole matrices without biases, and what `down` reads of it; nil where
  /// that cannot be, or where somebody watches its input.
  private func multiplyActivated(
    _ x: UnsafePointer<Float>, by network: PreparedNetwork, gate: UnsafeMutablePointer<Float>,
    up: UnsafeMutablePointer<Float>
  ) -> VectorInput? {
    guard watcher == nil, network.isPlain else { return nil }
    guard let gating = network.gate else {
      return products.multiplyOne(x, by: [network.up.matrix], into: [gate], then: network.down.matrix) {
        activate($0, gate: gate, up: nil)
      }
    }
    return products.multiplyOne(
      x, by: [gating.matrix, network.up.matrix], into: [gate, up], then: network.down.matrix
    ) { activate($0, gate: gate, up: up) }
  }

  /// Biases and activation, into `gate`.
  func activate(
    _ network: PreparedNetwork, gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, tokens: Int
  ) {
    let width = network.up.matrix.rows
    let isGated = network.gate != nil
    addRows(network.gate?.bias, to: gate, width: width, tokens: tokens)
    addRows(network.up.bias, to: isGated ? up : gate, width: width, tokens: tokens)
    products.pool.forEachChunk(of: tokens * width, grain: 2048) { _, range in
      activate(range, gate: gate, up: isGated ? up : nil)
    }
    clock?.lap(.activation)
  }

  private func activate(_ range: Range<Int>, gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>?) {
    let own = gate + range.lowerBound
    let factors = up.map { UnsafePointer($0 + range.lowerBound) }
    if rules.activation == .silu, let factors {
      kernels.pointee.silu_mul(own, factors, own, Int64(range.count))
    } else {
      kernels.pointee.activate(rules.activation.kernel, own, factors, own, Int64(range.count))
    }
  }

  private func addRows(_ bias: UnsafePointer<Float>?, to y: UnsafeMutablePointer<Float>, width: Int, tokens: Int) {
    guard let bias else { return }
    for row in 0..<tokens { kernels.pointee.add(bias, y + row * width, Int64(width)) }
  }
}

extension ForwardRules.Activation {
  fileprivate var kernel: ck_activation {
    switch self {
    case .silu: CK_SILU
    case .geluTanh: CK_GELU_TANH
    case .gelu: CK_GELU
    case .relu: CK_RELU
    case .squaredRelu: CK_SQUARED_RELU
    case .clampedSwiGLU: CK_CLAMPED_SWIGLU
    }
  }
}
