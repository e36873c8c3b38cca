// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Evidence
import Hardware
import LanguageModel
import Profiles
import Quantities

/// Estimates whose figures a test chooses.
enum Fixture {
  private static let described = Result {
    let catalogue = try ModelCatalogue.builtIn()
    return try catalogue.describe(try catalogue.entry(named: "TinyLlama-1.1B"))
  }

  static func model() throws -> LanguageModelDescription { try described.get() }

  static func platform(_ machine: String = "kind=gpu,memory=24GB,bandwidth=1008GB/s,tdp=450W") throws -> Platform {
    Platform(
      try MachineDescription(inline: machine).profile, efficiencies: try EngineEfficiencies(library: .standard()))
  }

  /// Every offered variant of TinyLlama with the figures of the cost model.
  static func estimates(on platform: Platform, _ workload: Workload = Workload()) throws -> [CostEstimate] {
    let estimator = CostEstimator(
      try model(), on: platform, workload: workload, quality: QualityModel(try QualityTable.rows(.standard())))
    return CompressionVariant.offered.map(estimator.estimate)
  }

  static let base = Result { try estimates(on: platform())[0] }

  /// One variant of which memory, speed, energy and loss are given; nil makes a figure unknown.
  static func estimate(
    _ variant: String, gibibytes: Double = 1, rate: Double? = 10, joules: Double? = 1, loss: Double? = 0,
    verdict: Verdict = .comfortable, obstacle: Obstacle? = nil
  ) throws -> CostEstimate {
    func known<Value: Quantity>(_ value: Double?) -> Known<Value> {
      value.map { .within(0.1, of: Value(magnitude: $0), .modelled) } ?? .unknown(reason: "nobody told")
    }
    var estimate = try base.get()
    estimate.variant = try CompressionVariant(parsing: variant)
    let bytes = ByteCount(magnitude: gibibytes * 1_073_741_824)
    estimate.memory = MemorySums(
      MemoryFootprint(items: [.init(.weights, "weights", .exact(bytes, .modelled), formula: "")]))
    estimate.decode = known(rate)
    estimate.energyPerToken = known(joules)
    estimate.quality = QualityEstimate(loss: known(loss))
    estimate.verdict = verdict
    estimate.obstacle = obstacle
    return estimate
  }
}
