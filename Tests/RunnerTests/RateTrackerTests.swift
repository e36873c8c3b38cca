// SPDX-License-Identifier: Apache-2.0
import CostModel
import Evidence
import Hardware
import Inference
import LanguageModel
import Quantities
import Runner
import Testing

/// Rates that are sampled by turns with a measurement.
@Suite struct RateTrackerTests {
  private static let q8 = RuntimeFormat(.q8_0)

  private func tracker(
    _ formats: [RuntimeFormat], of model: LanguageModelDescription? = nil, on pool: ThreadPool
  ) throws -> RateTracker {
    let machine = try Fixture.machine(lastLevelCache: .mebibytes(1))
    let work = ModelWork(try (model ?? Fixture.model()).architecture, Fixture.workload)
    return try RateTracker(Calibrator(machine: machine, toolVersion: "test"), of: formats, work, on: pool, barrier: 0)
  }

  private func calibration(_ rates: [Calibration.Rate]) -> Calibration {
    Calibration(
      date: "2026-11-30T00:00:00Z", toolVersion: "test", kernelSet: "portable", duration: Seconds(1), rates: rates,
      overheads: [], warnings: [])
  }

  @Test(arguments: [(generated: 4, calls: 7), (generated: 0, calls: 4)])
  func `what is measured by turns has its turn before and after each timed stretch`(_ row: (generated: Int, calls: Int))
    throws
  {
    var request = try Fixture.request(samples: 3)
    request.workload.generatedTokens = row.generated
    var calls = 0
    _ = try Measurer(machine: Fixture.machine(), toolVersion: "test").measure(request) { calls += 1 }
    #expect(calls == row.calls)
  }

  @Test func `the sampled rates take the place of the calibration's own, and no others`() throws {
    let pool = try ThreadPool(count: 1)
    defer { pool.stop() }
    let first = try tracker([Self.q8], on: pool)
    try first.sample()
    let rates = first.calibration(in: calibration([])).rates
    #expect(Set(rates.map(\.operation)) == [.read, .elementwise, .matvec, .gemm, .attention, .attentionPrefill])
    #expect(rates.allSatisfy { $0.perSecond > 0 && $0.perSecond.isFinite && $0.threads == 1 })
    #expect(Set(rates.filter { $0.operation == .attentionPrefill }.map(\.batch)) == [512, 2048])
    #expect(Set(rates.filter { $0.operation == .matvec || $0.operation == .gemm }.map(\.format)) == [Self.q8.name])

    let old = rates.map { rate in
      var rate = rate
      rate.perSecond = -1
      return rate
    }
    let other = Calibration.Rate(.matvec, format: "q4_0", threads: 1, perSecond: -1, low: -1, high: -1, samples: 1)
    let replaced = first.calibration(in: calibration(old + [other])).rates
    #expect(replaced.count == rates.count + 1)
    #expect(replaced.filter { $0.perSecond < 0 } == [other])
  }

  @Test(arguments: [(heads: 4, measured: [4]), (heads: 2, measured: [1, 4]), (heads: 16, measured: [8])])
  func `attention is sampled with as many heads to a KV head as the model has, or the measured numbers around it`(
    _ row: (heads: Int, measured: [Int])
  ) throws {
    let pool = try ThreadPool(count: 1)
    defer { pool.stop() }
    let model = try Fixture.model(heads: row.heads, keyValueHeads: 1)
    let tracker = try tracker([Self.q8], of: model, on: pool)
    try tracker.sample()
    let rates = tracker.calibration(in: calibration([])).rates.filter { $0.operation == .attention }
    #expect(Set(rates.map(\.batch)) == Set(row.measured))
  }

  @Test func `a rate that was sampled several times is that of all its work together`() throws {
    let pool = try ThreadPool(count: 1)
    defer { pool.stop() }
    let tracker = try tracker([Self.q8], on: pool)
    for _ in 0..<3 { try tracker.sample() }
    let read = try #require(tracker.calibration(in: calibration([])).rates.first { $0.operation == .read })
    #expect(read.samples == 3)
    // Of three samples the middle 80 % are all: least and most.
    #expect(read.low <= read.perSecond && read.perSecond <= read.high)
  }

  @Test func `rows of kept weights, which must be written first, are left out`() throws {
    let pool = try ThreadPool(count: 1)
    defer { pool.stop() }
    let kept = try #require(RuntimeFormat.keptRows(permille: 200, columns: 2048))
    let tracker = try tracker([kept], on: pool)
    try tracker.sample()
    #expect(!tracker.calibration(in: calibration([])).rates.contains { $0.operation == .matvec })
  }
}
