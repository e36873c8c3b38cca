// SPDX-License-Identifier: Apache-2.0
import CKernels
import Glibc
internal import CostModel
internal import LanguageModel

extension Transformer {
  // y = Σ over the k chosen experts: weight · expert(x), plus the shared expert
  func apply(
    _ experts: PreparedExperts, to x: UnsafePointer<Float>, tokens: Int, into y: UnsafeMutablePointer<Float>
  ) {
    let scores = buffers.floats(.routerScores)  // (t, E)
    let count = experts.routed.count
    apply(experts.router, to: x, tokens: tokens, into: scores)
    let router = Router(rules: rules.routing, experts: count, active: experts.active)
    let choices = (0..<tokens).map { router.choose(scores + $0 * count, correction: experts.correction) }
    y.update(repeating: 0, count: tokens * hidden)
    clock?.lap(.router)
    if tokens == 1 {
      applyTogether(choices[0], of: experts, to: x, into: y)
    } else {
      applyByExpert(choices, of: experts, to: x, into: y)
    }
    addShared(experts, x, tokens: tokens, to: y)
    clock?.lap(.router)
  }

  /// One token: gates and ups of all its experts in one job.
  private func applyTogether(
    _ chosen: [Router.Choice], of experts: PreparedExperts, to x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    let gate = buffers.floats(.gate)  // (k, f)
    let up = buffers.floats(.up)  // (k, f)
    let output = buffers.floats(.expertOutput)  // (k, d)
    var matrices: [PreparedMatrix] = []
    var places: [UnsafeMutablePointer<Float>] = []
    for (slot, choice) in chosen.enumerated() {
      let network = experts.routed[choice.expert]
      let offset = slot * network.up.matrix.rows
      if let gating = network.gate {
        matrices.append(gating.matrix)
        places.append(gate + offset)
      }
      matrices.append(network.up.matrix)
      places.append((network.gate == nil ? gate : up) + offset)
    }
    products.multiply(x, tokens: 1, by: matrices, into: places)
    clock?.lap(.gateUp)
    for (slot, choice) in chosen.enumerated() {
      let network = experts.routed[choice.expert]
      let offset = slot * network.up.matrix.rows
      activate(network, gate: gate + offset, up: up + offset, tokens: 1)
      apply(network.down, to: gate + offset, tokens: 1, into: output + slot * hidden)
      clock?.lap(.down)
      ck_add_scaled(output + slot * hidden, choice.weight, y, Int64(hidden))
    }
  }

  /// Many tokens: each expert takes those that chose it, together.
  private func applyByExpert(
    _ choices: [[Router.Choice]], of experts: PreparedExperts, to x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    var takers = [[(token: Int, weight: Float)]](repeating: [], count: experts.routed.count)
    for (token, chosen) in choices.enumerated() {
      for choice in chosen { takers[choice.expert].append((token, choice.weight)) }
    }
    let input = buffers.floats(.expertInput)  // (tokens of the expert, d)
    let output = buffers.floats(.expertOutput)  // (tokens of the expert, d)
    for (expert, tokens) in takers.enumerated() where !tokens.isEmpty {
      for (row, taker) in tokens.enumerated() {
        (input + row * hidden).update(from: x + taker.token * hidden, count: hidden)
      }
      clock?.lap(.router)
      apply(experts.routed[expert], to: input, tokens: tokens.count, into: output)
      for (row, taker) in tokens.enumerated() {
        ck_add_scaled(output + row * hidden, taker.weight, y + taker.token * hidden, Int64(hidden))
      }
    }
  }

  // y += σ(gate · x) · shared(x), without a gate shared(x)
  private func addShared(
    _ experts: PreparedExperts, _ x: UnsafePointer<Float>, tokens: Int, to y: UnsafeMutablePointer<Float>
  ) {
    guard let shared = experts.shared else { return }
    let output = buffers.floats(.expertOutput)  // (t, d)
    apply(shared, to: x, tokens: tokens, into: output)
    for row in 0..<tokens {
      var weight: Float = 1
      if let gate = experts.sharedGate { weight = 1 / (1 + exp(-ck_dot(gate, x + row * hidden, Int64(hidden)))) }
      ck_add_scaled(output + row * hidden, weight, y + row * hidden, Int64(hidden))
    }
  }
}
