// SPDX-License-Identifier: Apache-2.0
import Foundation
import Inference
import LanguageModel
import Testing

@testable import Training

@Suite struct GradientTests {
  /// Compares every gradient with (loss(w + h) − loss(w − h)) / 2h.
  ///
  /// In 64 bits with h = 1e-5 the difference has an error of about h² · third derivative ≈ 1e-10, and rounding adds
  /// 1e-16 · loss / h ≈ 1e-10.
  private func check(
    _ network: Network<Double>, _ loss: TokenLoss = TokenLoss(), teacher: Network<Double>? = nil
  ) throws {
    let (pass, other) = (WindowPass(network), teacher.map { WindowPass($0) })
    let window = Small.window[...]
    network.parameters.clearGradients()
    let value = pass.accumulate(window, loss, teacher: other)
    #expect(value == pass.loss(of: window, loss, teacher: other))
    let h = 1e-5
    var largest = 0.0
    for slot in network.parameters.slots {
      for index in slot.range {
        let kept = network.parameters[index]
        network.parameters[index] = kept + h
        let above = pass.loss(of: window, loss, teacher: other).total
        network.parameters[index] = kept - h
        let below = pass.loss(of: window, loss, teacher: other).total
        network.parameters[index] = kept
        let (found, expected) = (network.parameters.gradient(at: index), (above - below) / (2 * h))
        largest = max(largest, abs(found))
        if abs(found - expected) > 1e-7 * max(1, abs(expected)) {
          Issue.record("\(slot.key.name) \(slot.part) [\(index - slot.offset)]: \(found), not \(expected)")
          return
        }
      }
    }
    #expect(largest > 0.01)
  }

  @Test(arguments: [false, true])
  func `the gradient of every weight is the slope of the loss`(isTied: Bool) throws {
    try withPool { pool in
      let pairing: RopeRules.Pairing = isTied ? .halves : .neighbours
      try check(Small.network(Double.self, Small.shape(isTied: isTied, pairing: pairing), pool: pool))
    }
  }

  @Test func `the gradient of every adapter is the slope of the loss`() throws {
    try withPool { pool in
      let lora = Adaptation.lora(LoRASettings(rank: 3, alpha: 5))
      try check(Small.network(Double.self, Small.shape(), lora, pool: pool))
    }
  }

  @Test(arguments: [(share: 1.0, temperature: 1.0), (0.7, 2.5), (0, 4)])
  func `so it is with a teacher`(share: Double, temperature: Double) throws {
    try withPool { pool in
      let teacher = try Small.network(Double.self, Small.shape(isTied: true), .frozen, seed: 9, pool: pool)
      let loss = TokenLoss(teacherShare: share, temperature: temperature)
      try check(Small.network(Double.self, Small.shape(), pool: pool), loss, teacher: teacher)
    }
  }

  @Test func `a student that is its teacher has nothing to learn from it`() throws {
    try withPool { pool in
      let student = try Small.network(Double.self, Small.shape(), pool: pool)
      let twin = try Small.network(Double.self, Small.shape(), pool: pool)
      let pass = WindowPass(student)
      student.parameters.clearGradients()
      let loss = TokenLoss(teacherShare: 1, temperature: 2)
      let value = pass.accumulate(Small.window[...], loss, teacher: WindowPass(twin))
      #expect(abs(value.total) < 1e-14)
      #expect((0..<student.parameters.count).allSatisfy { abs(student.parameters.gradient(at: $0)) < 1e-13 })
    }
  }

  @Test func `a batch's gradient is the mean of its windows' ones`() throws {
    try withPool { pool in
      let network = try Small.network(Double.self, Small.shape(), pool: pool)
      let pass = WindowPass(network)
      let windows: [[Int32]] = [Small.window, [1, 2, 3, 4, 5, 6, 7]]
      var means = [Double](repeating: 0, count: network.parameters.count)
      for window in windows {
        network.parameters.clearGradients()
        _ = pass.accumulate(window[...], TokenLoss())
        for index in means.indices { means[index] += network.parameters.gradient(at: index) / 2 }
      }
      network.parameters.clearGradients()
      for window in windows { _ = pass.accumulate(window[...], TokenLoss(), share: 0.5) }
      #expect(means.indices.allSatisfy { abs(means[$0] - network.parameters.gradient(at: $0)) < 1e-14 })
    }
  }

  @Test func `32 bits give the same gradients as 64, to the rounding of their sums`() throws {
    try withPool { pool in
      let (single, double) = (
        try Small.network(Float.self, Small.shape(), pool: pool),
        try Small.network(Double.self, Small.shape(), pool: pool)
      )
      _ = WindowPass(single).accumulate(Small.window[...], TokenLoss())
      _ = WindowPass(double).accumulate(Small.window[...], TokenLoss())
      var (error, length) = (0.0, 0.0)
      for index in 0..<single.parameters.count {
        let difference = Double(single.parameters.gradient(at: index)) - double.parameters.gradient(at: index)
        error += difference * difference
        length += double.parameters.gradient(at: index) * double.parameters.gradient(at: index)
      }
      // Some hundred roundings of 6e-8 in a chain.
      #expect((error / length).squareRoot() < 1e-5)
    }
  }
}
