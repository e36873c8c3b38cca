// SPDX-License-Identifier: Apache-2.0
import CKernels
internal import CostModel
internal import LanguageModel

extension Transformer {
  func feedForward(
    _ part: PreparedFeedForward, _ x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>
  ) {
    switch part {
    case .dense(let network): apply(network, to: x, tokens: tokens, into: y)
    case .experts(let experts): apply(experts, to: x, tokens: tokens, into: y)
    }
  }

  // y = down · (activation(gate · x) ⊙ (up · x)), or down · activation(up · x)
  func apply(
    _ network: PreparedNetwork, to x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>
  ) {
    let gate = buffers.floats(.gate)  // (t, f)
    let up = buffers.floats(.up)  // (t, f)
    if multiplyGated(x, tokens: tokens, by: network, into: gate) {
      clock?.lap(.gateUp)
    } else {
      if let gating = network.gate {
        multiply(x, tokens: tokens, by: [gating, network.up], into: [gate, up])
      } else {
        multiply(x, tokens: tokens, by: [network.up], into: [gate])
      }
      clock?.lap(.gateUp)
      activate(network, gate: gate, up: up, tokens: tokens)
    }
    apply(network.down, to: gate, tokens: tokens, into: y)
    clock?.lap(.down)
  }

  /// Both products and SiLU in one, of whole matrices without biases; false where that cannot be.
  private func multiplyGated(
    _ x: UnsafePointer<Float>, tokens: Int, by network: PreparedNetwork, into y: UnsafeMutablePointer<Float>
  ) -> Bool {
    guard let gate = network.gate, rules.activation == .silu, gate.isPlain, network.up.isPlain else { return false }
    let (gates, ups) = (gate.matrix, network.up.matrix)
    guard products.multiplyGated(x, tokens: tokens, gate: gates, up: ups, into: y) else { return false }
    watcher?(x, tokens, [gates, ups])
    return true
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
      let start = range.lowerBound
      let count = Int64(range.count)
      if isGated, rules.activation == .silu {
        kernels.pointee.silu_mul(gate + start, up + start, gate + start, count)
      } else {
        kernels.pointee.activate(rules.activation.kernel, gate + start, isGated ? up + start : nil, gate + start, count)
      }
    }
    clock?.lap(.activation)
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
