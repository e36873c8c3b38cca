// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Hardware
import LanguageModel
import Profiles
import Quantities
import Testing

/// Experts that stand whole on one of several devices each.
@Suite struct ExpertPlacementTests {
  private static let catalogue = Result { try MachineCatalogue(library: .standard()) }

  private static func estimate(
    _ model: String, _ engine: Engine = .vllm, sequences: Int = 1, isWhole: Bool
  ) throws -> CostEstimate {
    let profile = try catalogue.get().machine(described: "8x H100 SXM 80GB").profile
    let platform = Platform(
      profile, engine: engine, wish: .init(tensorParallel: engine == .vllm ? 4 : nil, expertParallel: isWhole),
      efficiencies: Fixture.efficiencies)
    try platform.checkWish()
    let workload = Workload(contextTokens: 1024, sequences: sequences)
    return CostEstimator(try Fixture.model(model), on: platform, workload: workload, quality: QualityModel([]))
      .estimate(.original)
  }

  @Test func `the busiest device reads its share at least, and all that is visited at most`() {
    // Two of eight experts on two devices: in 3 of 7 cases both are on one, (2·3 + 1·4)/7 of two.
    #expect(abs(ExpertPlacement.busiest(experts: 8, visited: 0.25, devices: 2) - 5 / 7.0) < 0.03)
    #expect(ExpertPlacement.busiest(experts: 8, visited: 1, devices: 2) == 0.5)
    #expect(ExpertPlacement.busiest(experts: 60, visited: 1, devices: 8) == 8 / 60.0)
    for (experts, visited) in [(8, 0.25), (60, 0.07), (128, 0.06), (256, 0.9), (512, 0.999)] {
      var previous = 1.0
      for devices in [1, 2, 4, 8] {
        let share = ExpertPlacement.busiest(experts: experts, visited: visited, devices: devices)
        #expect(share >= 1 / Double(devices) - 1e-9 && share <= previous + 1e-9, "\(experts) \(visited) \(devices)")
        previous = share
      }
    }
  }

  @Test func `one token waits for the device with the most of its experts, many sequences hardly`() throws {
    func slowing(_ sequences: Int) throws -> Double {
      let (sliced, whole) = (
        try Self.estimate("Mixtral-8x7B-v0.1", sequences: sequences, isWhole: false),
        try Self.estimate("Mixtral-8x7B-v0.1", sequences: sequences, isWhole: true)
      )
      #expect(whole.memory.total == sliced.memory.total)
      #expect(try #require(whole.distribution).sentence.contains("experts whole"))
      return (try #require(sliced.decode.value)).magnitude / (try #require(whole.decode.value)).magnitude
    }
    let (one, many) = (try slowing(1), try slowing(256))
    #expect(one > 1.1 && one < 2 && abs(many - 1) < 0.01, "\(one) \(many)")
  }

  @Test func `experts that do not divide evenly fill one device more, and dense models know no difference`() throws {
    // 60 experts on eight devices: eight on some, seven on others; four devices hold fifteen each.
    #expect(ExpertPlacement.held(experts: 60, devices: 8) == 8 / 60.0)
    #expect(ExpertPlacement.held(experts: 60, devices: 4) == 0.25)
    let (sliced, whole) = (
      try Self.estimate("Meta-Llama-3-70B", isWhole: false), try Self.estimate("Meta-Llama-3-70B", isWhole: true)
    )
    #expect(sliced.decode.value == whole.decode.value && sliced.places == whole.places)
    #expect(sliced.distribution == whole.distribution)
  }

  @Test func `engines that hold layers in turn have nothing like it`() {
    #expect(throws: DistributionError.notByEngine(option: "--expert-parallel", .llamaCpp)) {
      try Self.estimate("Mixtral-8x7B-v0.1", .llamaCpp, isWhole: true)
    }
  }
}
