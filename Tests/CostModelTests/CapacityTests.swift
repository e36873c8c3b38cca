// SPDX-License-Identifier: Apache-2.0
import CostModel
import Hardware
import Quantities
import Testing

/// What may really be used, and the verdict on a need.
@Suite struct CapacityTests {
  @Test func `up to 80 per cent is comfortable, up to 92 tight, beyond it does not fit`() {
    let capacity = Capacity(usable: .exact(ByteCount(1000), .measured), label: "test")
    for (needed, verdict) in [(0, Verdict.comfortable), (800, .comfortable), (801, .tight), (920, .tight), (921, .no)] {
      #expect(capacity.verdict(for: ByteCount(needed)) == verdict, "\(needed)")
    }
  }

  @Test func `nobody knows a verdict on unknown memory`() throws {
    let capacity = Capacity(usable: .unknown(reason: "not read"), label: "test")
    #expect(capacity.verdict(for: ByteCount(1)) == nil)
  }

  @Test func `a limit binds, less what is used of it`() throws {
    var memory = MemorySystem(
      total: .exact(.gibibytes(64), .measured), available: .exact(.gibibytes(60), .measured), limit: .gibibytes(2),
      limitSource: "/sys/fs/cgroup/memory.max", usedOfLimit: .mebibytes(512))
    #expect(Capacity(memory: memory).usable.value == .mebibytes(1536))
    #expect(Capacity(memory: memory).label == "memory, limited by /sys/fs/cgroup/memory.max")
    memory.usedOfLimit = .gibibytes(3)
    #expect(Capacity(memory: memory).usable.value == .zero)
    #expect(Capacity(memory: memory).verdict(for: ByteCount(1)) == .no)
    memory.limit = .gibibytes(128)
    memory.usedOfLimit = nil
    #expect(Capacity(memory: memory).usable.value == .gibibytes(60))
    #expect(Capacity(memory: memory).label == "available memory")
  }

  @Test func `free device memory counts, of several devices together`() throws {
    var device = try #require(
      try Fixture.device("kind=gpu,name=Card,memory=24GB,bandwidth=1008GB/s").accelerators.first)
    #expect(Capacity(devices: [device]).usable.value == .gigabytes(24))
    device.memoryFree = .exact(.gigabytes(20), .measured)
    #expect(Capacity(devices: [device, device]).usable.value == .gigabytes(40))
    #expect(Capacity(devices: [device, device]).label == "memory of 2 devices of Card")
    #expect(Capacity(devices: []).usable.value == nil)
  }

  @Test func `macOS lets the graphics unit have two thirds, of large memories three quarters`() throws {
    func usable(_ gigabytes: Int) throws -> Double {
      let profile = try Fixture.device("kind=integrated-gpu,vendor=Apple,memory=\(gigabytes)GB,bandwidth=400GB/s")
      return try #require(Capacity(devices: profile.accelerators).usable.value).magnitude / 1e9
    }
    #expect(try abs(usable(18) - 12) < 1e-6)
    #expect(try abs(usable(128) - 96) < 1e-6)
  }

  @Test func `the built-in runtime runs on a host at hand, llama.cpp on devices and elsewhere`() throws {
    #expect(Platform(Fixture.host()).engine == .anprobe)
    let card = try Fixture.device("kind=gpu,memory=24GB,bandwidth=1008GB/s")
    #expect(Platform(card).engine == .llamaCpp)
    #expect(Platform(card).device?.memoryTotal.value == .gigabytes(24))
    #expect(Platform(Fixture.host(accelerators: card.accelerators)).engine == .llamaCpp)
    #expect(Platform(Fixture.host(accelerators: card.accelerators), engine: .anprobe).device == nil)
    #expect(Platform(try Fixture.device("kind=cpu,memory=24GB,bandwidth=50GB/s")).engine == .llamaCpp)
  }

  @Test func `an estimate beyond the memory is bound by capacity`() throws {
    let estimator = Fixture.estimator(try Fixture.model("Meta-Llama-3-8B"), on: Fixture.host(memory: .gibibytes(2)))
    let estimate = estimator.estimate(try Fixture.variant("q4_k_m"))
    #expect(estimate.verdict == .no && estimate.fits == false && estimate.bound == .capacity)
  }
}
