// SPDX-License-Identifier: Apache-2.0
import CostModel
import Hardware
import Quantities
import Testing

/// Energy where no counter tells it.
@Suite struct EnergyModelTests {
  @Test func `a device without a power limit has no energy, not none`() throws {
    let device = try #require(try Fixture.device("kind=gpu,memory=24GB,bandwidth=1008GB/s").accelerators.first)
    let model = EnergyModel(device: device, count: 1)
    #expect(model.power.value == nil)
    let energy = model.perToken(seconds: .exact(Seconds(0.01), .calibrated), tokens: 1)
    #expect(energy.value == nil && energy.reason?.isEmpty == false)
  }

  @Test func `energy is power times time, shared by the tokens of a step`() throws {
    let device = try #require(
      try Fixture.device("kind=gpu,memory=24GB,bandwidth=1008GB/s,tdp=450W").accelerators.first)
    let model = EnergyModel(device: device, count: 1)
    let energy = model.perToken(seconds: .exact(Seconds(0.02), .modelled), tokens: 4)
    #expect(abs(try #require(energy.value).joules - 450 * 0.8 * 0.02 / 4) < 1e-9)
    #expect(try #require(energy.low) < #require(energy.value))
    #expect(energy.basis == .published || energy.basis == .modelled)
  }

  @Test func `an unknown time gives an unknown energy with the time's reason`() throws {
    let model = EnergyModel(processor: Fixture.host(cores: 4), threads: 4)
    #expect(model.perToken(seconds: .unknown(reason: "not timed"), tokens: 1).reason == "not timed")
  }

  @Test func `busy cores take power in proportion, within a factor of two`() {
    let two = EnergyModel(processor: Fixture.host(), threads: 2)
    let eight = EnergyModel(processor: Fixture.host(cores: 8), threads: 8)
    #expect(eight.power.value == two.power.value.map { $0 * 4 })
    #expect(eight.power.high == eight.power.value.map { $0 * 2 })
    #expect(eight.power.low == eight.power.value.map { $0 / 2 })
  }

  /// Decoding with llama.cpp: a Raspberry Pi 5 with two threads 6.25 W by its board's sensors (median of 30 runs), a
  /// Pi 500+ with four 13 W and a Framework 13 with a Ryzen AI 5 340 of six cores 50.4 W at the wall at most.
  @Test(arguments: [(2, 6.25), (4, 13.0), (6, 50.4)])
  func `measured power of small machines lies inside the interval`(cores: Int, watts: Double) throws {
    let power = EnergyModel(processor: Fixture.host(cores: cores), threads: cores).power
    #expect(try #require(power.low).watts <= watts && watts <= #require(power.high).watts)
  }
}
