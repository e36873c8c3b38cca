// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Hardware
import LanguageModel
import Quantities
import Testing

/// The fit and its errors, on speeds that a known efficiency made.
@Suite struct CrossValidationTests {
  /// Decode steps of four sizes and two formats on machines that reach 70 % of their bandwidth, and a factor of their own.
  static func observations(machines: Int, factor: (Int) -> Double) throws -> [SpeedObservation] {
    let model = try Fixture.model("TinyLlama-1.1B")
    let truth = Efficiency(
      values: [0.7, 50e-6, 0.5, 0.4, 0.5, 100e-6, 0.2, 1], decodingCost: FamilyValues(repeating: 4),
      productCost: FamilyValues(repeating: 1), expertLaunch: 1, expertProduct: 1, plainStep: 0.5, plainPrompt: 1,
      overlap: .large)
    return try (0..<machines).flatMap { machine in
      let device = try Fixture.device(
        "kind=gpu,memory=80GB,bandwidth=\(200 + 150 * machine)GB/s,fp32=\(10 + 6 * machine)TFLOP/s,fp16=80TFLOP/s")
      let rates = try DeviceRates(try #require(device.accelerators.first))
      return try ["f16", "q8_0", "q4_0", "q4_k_m"].map { name in
        let work = ModelWork(model.architecture, Workload())
        let step = PassWork.step(
          VariantWork(try Fixture.variant(name).summary(of: TensorCensus(model)), work), work, by: .llamaCpp)
        return SpeedObservation(
          engine: .llamaCpp, machine: "machine \(machine)", kind: .gpu, classKey: "nvidia", rates: rates,
          quantity: .decode, label: name, passes: [(step, 1)], tokens: 1,
          rate: factor(machine) / truth.terms(step, on: rates).total, rule: nil)
      }
    }
  }

  @Test func `speeds that the model made are predicted on a machine that was left out`() throws {
    let validation = CrossValidation(.devices, try Self.observations(machines: 6) { _ in 1 })
    // The priors pull a little: 24 rows stand against the spreads of the coefficients.
    for row in validation.rows { #expect(row.error < 0.05, "\(row.observation.label) \(row.error)") }
  }

  @Test func `the prediction of a machine does not know its measurements`() throws {
    let usual = CrossValidation(.devices, try Self.observations(machines: 5) { _ in 1 })
    let odd = CrossValidation(.devices, try Self.observations(machines: 5) { $0 == 2 ? 3 : 1 })
    for (before, after) in zip(usual.rows, odd.rows) where before.observation.machine == "machine 2" {
      #expect(abs(after.predicted / before.predicted - 1) < 0.02)
    }
  }

  @Test func `one machine that is three times off hardly moves the coefficients of the others`() throws {
    let usual = CrossValidation(.devices, try Self.observations(machines: 6) { _ in 1 })
    let odd = CrossValidation(.devices, try Self.observations(machines: 6) { $0 == 2 ? 3 : 1 })
    let shares = [usual, odd].map { $0.parameters.efficiency("nvidia")[.bandwidthShare] }
    #expect(abs(shares[0] / shares[1] - 1) < 0.05, "\(shares)")
  }

  @Test func `intervals of machines that scatter by a fifth cover most of what was left out`() throws {
    // Factors from 0.8 to 1.25, evenly in their logarithms, in an order that does not follow the bandwidth.
    let factors = (0..<12).map { Logarithm.exponential((Double($0 * 5 % 12) / 11 - 0.5) * 0.446) }
    let validation = CrossValidation(.devices, try Self.observations(machines: 12) { factors[$0] })
    let row = try #require(
      AccuracyRow(engine: "all", deviceClass: "gpu", quantity: "decode", validation.rows.map(\.accuracyCase)))
    #expect(row.machines == 12 && row.count == 48)
    // The two machines at the ends lie outside of what the other ten show.
    #expect(row.intervalCoverage >= 0.75)
    #expect(row.medianAbsoluteError < 0.2)
  }

  @Test func `quantiles lie between the nearest ranks`() {
    #expect(AccuracyRow.quantile([4, 1, 3, 2], 0.5) == 2.5)
    #expect(AccuracyRow.quantile([1, 2, 3, 4, 5], 0.9) == 4.6)
    #expect(AccuracyRow(engine: "a", deviceClass: "b", quantity: "c", []) == nil)
  }
}
