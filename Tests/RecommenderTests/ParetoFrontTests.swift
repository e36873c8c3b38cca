// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Quantities
import Recommender
import TestSupport
import Testing

@Suite struct ParetoFrontTests {
  struct Point {
    var estimate: CostEstimate
    var costs: [Double]
  }

  /// Few values per axis, so that points often agree in some figures or in all.
  private static func points(seed: UInt64, count: Int) throws -> [Point] {
    var random = SeededRandom(seed: seed)
    let names = CompressionVariant.offered.map(\.name)
    return try (0..<count).map { index in
      let (size, rate, joules) = (
        Double(Int.random(in: 1...5, using: &random)), Double(Int.random(in: 1...5, using: &random)),
        Double(Int.random(in: 1...3, using: &random))
      )
      let losses: [Double] = [0, 0.005, 0.02, 0.05, 0.2]
      let loss = losses[Int.random(in: losses.indices, using: &random)]
      return Point(
        estimate: try Fixture.estimate(names[index], gibibytes: size, rate: rate, joules: joules, loss: loss),
        // Below 0.01 nobody can tell a loss from none.
        costs: [size, -rate, joules, loss < 0.01 ? 0 : loss])
    }
  }

  /// The definition, word by word.
  private static func isBeaten(_ point: Point, by rival: Point) -> Bool {
    let noWorse = zip(rival.costs, point.costs).allSatisfy { $0 <= $1 }
    let better = zip(rival.costs, point.costs).contains { $0 < $1 }
    return noWorse && better
  }

  @Test func `the front is what nothing beats, once for equal figures`() throws {
    for seed in 0..<200 as Range<UInt64> {
      let points = try Self.points(seed: seed, count: 1 + Int(seed % 40))
      let front = ParetoFront(points.map(\.estimate)).members.map(\.variant)
      let unbeaten = points.filter { point in !points.contains { Self.isBeaten(point, by: $0) } }
      let first = unbeaten.enumerated().filter { index, point in
        !unbeaten[..<index].contains { $0.costs == point.costs }
      }
      #expect(front == first.map(\.element.estimate.variant), "seed \(seed)")
    }
  }

  @Test func `the front does not depend on the order of the estimates`() throws {
    for seed in 0..<50 as Range<UInt64> {
      let points = try Self.points(seed: seed, count: 20)
      var random = SeededRandom(seed: seed)
      let costs = { (points: [Point]) -> Set<[Double]> in
        let front = ParetoFront(points.map(\.estimate)).members.map(\.variant)
        return Set(points.filter { front.contains($0.estimate.variant) }.map(\.costs))
      }
      #expect(costs(points) == costs(points.shuffled(using: &random)), "seed \(seed)")
    }
  }

  @Test func `an unknown figure beats nothing`() throws {
    let known = try Fixture.estimate("q4_0", gibibytes: 4, rate: 1, joules: 9, loss: 0.3)
    for unknown in [
      try Fixture.estimate("q8_0", rate: nil), try Fixture.estimate("q8_0", joules: nil),
      try Fixture.estimate("q8_0", loss: nil),
    ] {
      #expect(ParetoFront([unknown, known]).members.map(\.variant.name) == ["q4_0"])
    }
  }

  @Test func `where no energy is known the other three figures decide`() throws {
    let front = ParetoFront([
      try Fixture.estimate("f16", gibibytes: 4, rate: 1, joules: nil, loss: 0),
      try Fixture.estimate("q8_0", gibibytes: 2, rate: 2, joules: nil, loss: 0.002),
      try Fixture.estimate("q4_0", gibibytes: 1, rate: 4, joules: nil, loss: 0.08),
    ])
    #expect(front.members.map(\.variant.name) == ["q8_0", "q4_0"])
  }
}
