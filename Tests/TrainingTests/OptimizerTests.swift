// SPDX-License-Identifier: Apache-2.0
import Foundation
import Inference
import LanguageModel
import Testing

@testable import Training

@Suite struct OptimizerTests {
  /// The published algorithm for one number, in 64 bits.
  private func naive(_ gradients: [Double], start: Double, rate: Double, decays: Bool) -> Double {
    let settings = AdamW.Settings()
    var (w, m, v) = (start, 0.0, 0.0)
    for (index, g) in gradients.enumerated() {
      m = settings.beta1 * m + (1 - settings.beta1) * g
      v = settings.beta2 * v + (1 - settings.beta2) * g * g
      let mean = m / (1 - pow(settings.beta1, Double(index + 1)))
      let square = v / (1 - pow(settings.beta2, Double(index + 1)))
      if decays { w -= rate * settings.weightDecay * w }
      w -= rate * mean / (square.squareRoot() + settings.epsilon)
    }
    return w
  }

  @Test func `three steps are those of the published algorithm`() throws {
    try withPool { pool in
      let store = ParameterStore<Float>([
        (ParameterKey(.attentionQuery, layer: 0), .whole, 1, 2), (ParameterKey(.outputNorm), .whole, 1, 1),
      ])
      let optimizer = AdamW(.init(), store, pool: pool)
      let gradients = [[0.3, -0.01, 0.2], [-0.2, -0.02, 0.1], [0.1, 0.05, -0.3]]
      for index in 0..<3 { store[index] = 0.5 }
      for (step, row) in gradients.enumerated() {
        for index in 0..<3 { store.gradients.address[index] = Float(row[index]) }
        optimizer.apply(step: step + 1, rate: 0.01, gradientLength: optimizer.gradientLength())
      }
      for index in 0..<3 {
        let expected = naive(gradients.map { $0[index] }, start: 0.5, rate: 0.01, decays: index < 2)
        #expect(abs(Double(store[index]) - expected) < 1e-6)
      }
    }
  }

  @Test func `a long gradient is shortened to the limit, and its direction kept`() throws {
    try withPool { pool in
      let moments = [3.0, 300.0].map { size in
        let store = ParameterStore<Float>([(ParameterKey(.attentionQuery, layer: 0), .whole, 1, 2)])
        let optimizer = AdamW(.init(), store, pool: pool)
        store.gradients.address[0] = Float(size * 4)
        store.gradients.address[1] = Float(size * -3)
        let length = optimizer.gradientLength()
        #expect(abs(length - 5 * size) < 1e-4 * size)
        optimizer.apply(step: 1, rate: 0.1, gradientLength: length)
        return [optimizer.firstMoments.address[0], optimizer.firstMoments.address[1]]
      }
      for moments in moments {
        #expect(abs(moments[0] - 0.1 * 0.8) < 1e-6)
        #expect(abs(moments[1] + 0.1 * 0.6) < 1e-6)
      }
    }
  }

  @Test func `the rate rises in a line, peaks, and falls along a cosine to a tenth`() {
    let schedule = RateSchedule(peak: 2, steps: 111, warmupSteps: 10)
    #expect(schedule.rate(at: 0) == 0.2)
    #expect(schedule.rate(at: 9) == 2)
    #expect(schedule.rate(at: 10) == 2)
    #expect(abs(schedule.rate(at: 60) - 1.1) < 1e-12)
    #expect(abs(schedule.rate(at: 110) - 0.2) < 1e-12)
    #expect(RateSchedule(peak: 1, steps: 1, warmupSteps: 0).rate(at: 0) == 1)
  }

  @Test func `an epoch has every window once, at an offset of its own, whatever was asked before`() throws {
    let tokens = (0..<1003).map { Int32($0) }
    var order = try WindowOrder(tokens, context: 10, seed: 3)
    let firsts = (0..<2 * order.windows).map { place in
      let window = order.window(at: place)
      let first = Int(window.first ?? -1)
      #expect(Array(window) == (first...first + 10).map { Int32($0) })
      return first
    }
    for epoch in [firsts.prefix(order.windows), firsts.suffix(order.windows)] {
      #expect(Set(epoch).count == order.windows)
      #expect(Set(epoch.map { $0 % 10 }).count == 1)
    }
    #expect(Array(firsts.prefix(order.windows)) != firsts.suffix(order.windows).map { $0 })
    var other = try WindowOrder(tokens, context: 10, seed: 3)
    for place in [150, 3, 77] { #expect(other.window(at: place).first == order.window(at: place).first) }
    #expect(throws: TrainingError.textTooShort(tokens: 10, needed: 11)) {
      try WindowOrder(Array(tokens.prefix(10)), context: 10, seed: 1)
    }
    var shortest = try WindowOrder(Array(tokens.prefix(11)), context: 10, seed: 1)
    #expect(shortest.window(at: 5).count == 11)
  }
}
