// SPDX-License-Identifier: Apache-2.0
import CostModel
import Hardware
import Quantities
import Testing

/// Energy where no counter tells it.
@Suite struct EnergyModelTests {
  private static func model(_ figures: String) throws -> EnergyModel {
    let device = try Fixture.device("kind=gpu,memory=80GB,bandwidth=2000GB/s,\(figures)").accelerators.first
    return EnergyModel(device: try #require(device))
  }

  private static let work = EnergyModel.Work(bytes: 16e9, operations: 16e9)

  @Test func `a device without a power limit has no energy, not none`() throws {
    let energy = try Self.model("vendor=NVIDIA").perToken(
      Self.work, seconds: .exact(Seconds(0.01), .calibrated), tokens: 1)
    #expect(energy.value == nil && energy.reason?.isEmpty == false)
  }

  @Test func `energy is shared by the tokens of a step and never above the limit times the time`() throws {
    let model = try Self.model("tdp=400W")
    let one = try #require(model.perToken(Self.work, seconds: .exact(Seconds(0.02), .modelled), tokens: 1).value)
    let four = try #require(model.perToken(Self.work, seconds: .exact(Seconds(0.02), .modelled), tokens: 4).value)
    #expect(abs(one.joules / four.joules - 4) < 1e-9)
    let hasty = try #require(model.terms(Self.work, seconds: 1e-4))
    #expect(hasty.total == hasty.limit && abs(hasty.limit - 0.04) < 1e-12)
  }

  @Test func `fewer bytes in the same time cost less, and idling costs too`() throws {
    let model = try Self.model("tdp=400W")
    let whole = try #require(model.terms(Self.work, seconds: 0.02))
    let quarter = try #require(model.terms(.init(bytes: 4e9, operations: 16e9), seconds: 0.02))
    #expect(quarter.total < whole.total && quarter.idle == whole.idle && quarter.idle > 0)
    #expect(abs(whole.memory / quarter.memory - 4) < 1e-9)
  }

  @Test func `an unknown time gives an unknown energy with the time's reason`() throws {
    let model = EnergyModel(processor: Fixture.host(cores: 4), threads: 4)
    #expect(model.perToken(Self.work, seconds: .unknown(reason: "not timed"), tokens: 1).reason == "not timed")
  }

  /// Decoding with llama.cpp: a Raspberry Pi 5 with two threads 6.25 W by its board's sensors (median of 30 runs), a
  /// Pi 500+ with four 13 W and a Framework 13 with a Ryzen AI 5 340 of six cores 50.4 W at the wall at most.
  @Test(arguments: [(2, 6.25), (4, 13.0), (6, 50.4)])
  func `measured power of small machines lies inside the interval`(cores: Int, watts: Double) throws {
    let model = EnergyModel(processor: Fixture.host(cores: cores), threads: cores)
    let joules = model.perToken(Self.work, seconds: .exact(Seconds(1), .modelled), tokens: 1)
    #expect(try #require(joules.low).joules <= watts && watts <= #require(joules.high).joules)
  }

  @Test func `a bill counts kilowatt-hours, money and grams`() throws {
    // One joule per token: 1000 / 3600 Wh for a thousand; a million make 0.27778 kWh.
    let bill = EnergyBill(perToken: .exact(Energy(joules: 1), .modelled))
    #expect(abs(try #require(bill.wattHoursPerThousand).value - 0.277778) < 1e-6)
    #expect(abs(try #require(bill.costPerMillion(price: 0.36)).value - 0.1) < 1e-9)
    // Germany in 2023: 381 g per kWh (Ember).
    let grid = try #require(GridIntensity("de"))
    #expect(abs(try #require(bill.gramsPerThousand(grid)).value - 0.381 / 3.6) < 1e-9)
    // 100 tokens of the prompt at 2 J and 50 of the answer at 1 J: 250 J.
    let request = EnergyBill(
      perToken: .exact(Energy(joules: 1), .modelled), perRequest: .exact(Energy(joules: 250), .modelled))
    #expect(abs(try #require(request.wattHoursPerRequest).value - 250.0 / 3600) < 1e-12)
    #expect(abs(try #require(request.costPerThousandRequests(price: 0.36)).value - 0.025) < 1e-12)
    #expect(abs(try #require(request.gramsPerRequest(grid)).value - 250 * 381 / 3.6e6) < 1e-12)
    #expect(bill.wattHoursPerRequest == nil)
    #expect(GridIntensity("120")?.gramsPerKilowattHour == 120)
    #expect(GridIntensity("nowhere") == nil && GridIntensity("-5") == nil)
  }
}

/// Coefficients of power from published figures.
@Suite struct PowerFitTests {
  private static func observation(_ machine: Int, _ load: Double, _ truth: PowerCoefficients) -> PowerObservation {
    let facts = PowerFacts(
      idleWatts: 20 + 10 * Double(machine), limitWatts: 1000,
      memoryTechnology: ["HBM3", "GDDR6", "LPDDR5"][machine % 3])
    let (bytes, operations) = (load * 2e11 * Double(1 + machine), (1 - load) * 4e13)
    return PowerObservation(
      machine: "m\(machine)", scope: "device", engine: .vllm, label: "", facts: facts, bytes: bytes,
      operations: operations, watts: truth.watts(facts, bytes: bytes, operations: operations), tokensPerSecond: 1)
  }

  @Test func `figures made by the formula give its coefficients back, one wild figure or not`() {
    let truth = PowerCoefficients(
      floorShare: 0.08, graphicsFloorShare: 0.3, byteScale: 3, picojoulesPerOperation: 1.2)
    var rows = (0..<6).flatMap { machine in (0..<8).map { Self.observation(machine, Double($0) / 8, truth) } }
    rows[3].watts *= 3
    let fit = PowerFit.coefficients(rows)
    #expect(abs(fit.floorShare / truth.floorShare - 1) < 0.01)
    #expect(abs(fit.graphicsFloorShare / truth.graphicsFloorShare - 1) < 0.01)
    #expect(abs(fit.byteScale / truth.byteScale - 1) < 0.01)
    #expect(abs(fit.picojoulesPerOperation / truth.picojoulesPerOperation - 1) < 0.01)
  }

  @Test func `a machine's own figures never enter its prediction`() {
    let truth = PowerCoefficients(
      floorShare: 0.08, graphicsFloorShare: 0.3, byteScale: 3, picojoulesPerOperation: 1.2)
    var rows = (0..<6).flatMap { machine in (0..<8).map { Self.observation(machine, Double($0) / 8, truth) } }
    let before = PowerValidation(rows).rows.filter { $0.observation.machine == "m2" }.map(\.watts)
    for index in rows.indices where rows[index].machine == "m2" { rows[index].watts *= 2 }
    let after = PowerValidation(rows).rows.filter { $0.observation.machine == "m2" }.map(\.watts)
    #expect(before == after)
  }

  @Test func `no technology is cheaper than its successor`() {
    // Vendors' figures per bit fall from generation to generation.
    let order = ["DDR4-3200", "DDR5-5600", "GDDR5", "GDDR6", "HBM3e"].map(MemoryEnergy.picojoulesPerByte)
    #expect(order == order.sorted(by: >))
    #expect(MemoryEnergy.picojoulesPerByte("LPDDR5X-8533") < MemoryEnergy.picojoulesPerByte("LPDDR4X"))
  }
}
