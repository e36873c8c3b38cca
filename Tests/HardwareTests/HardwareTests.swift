// SPDX-License-Identifier: Apache-2.0
import Hardware
import JSONText
import Quantities
import TestSupport
import Testing

@Suite struct ProfileFormTests {
  @Test func `a profile that is written and read again is equal`() throws {
    for seed in 0..<300 {
      var samples = ProfileSamples(seed: UInt64(seed))
      let profile = samples.profile()
      let text = profile.json.text(pretty: seed % 2 == 0)
      #expect(try HardwareProfile(json: try JSON(parsing: text), file: "sample") == profile, "seed \(seed)")
    }
  }

  @Test func `an answer of the probe command is read as the profile in it`() throws {
    var samples = ProfileSamples(seed: 7)
    let profile = samples.profile()
    #expect(try HardwareProfile(json: ["command": "probe", "profile": profile.json], file: "x") == profile)
  }

  @Test func `the keys that other programs rely on are there`() throws {
    var samples = ProfileSamples(seed: 1)
    let json = samples.profile().json
    let processor = [
      "architecture", "vendor", "model", "packageCount", "dieCount", "coreCount", "processingUnitCount", "coreKinds",
      "caches", "instructionSets",
    ]
    #expect(processor.allSatisfy { json["processor"]?[$0] != nil })
    let memory = ["totalBytes", "availableBytes", "limitBytes", "limitSource", "usableBytes", "numaNodes"]
    #expect(memory.allSatisfy { json["memory"]?[$0] != nil })
    let top = ["accelerators", "powerSensors", "container", "virtualisation", "calibration"]
    #expect(top.allSatisfy { json[$0] != nil })
    let set = json["processor"]?["instructionSets"]?.arrayValue?.first
    #expect(["name", "present", "worthUsing", "reason"].allSatisfy { set?[$0] != nil })
    let cache = json["processor"]?["caches"]?.arrayValue?.first
    #expect(["level", "kind", "sizeBytes", "sharedByProcessingUnits"].allSatisfy { cache?[$0] != nil })
    let node = json["memory"]?["numaNodes"]?.arrayValue?.first
    #expect(["index", "capacityBytes"].allSatisfy { node?[$0] != nil })
  }

  @Test func `a missing key is named with its whole path`() {
    #expect(throws: HardwareProfileError.missingKey(file: "f", key: "profile.processor.packageCount")) {
      try HardwareProfile(json: ["name": "x", "processor": ["architecture": "y"]], file: "f")
    }
  }

  @Test func `a profile of a newer schema is refused`() {
    #expect(throws: HardwareProfileError.newerSchema(file: "f", version: 2)) {
      try HardwareProfile(json: ["schemaVersion": 2], file: "f")
    }
  }

  @Test func `an absent figure is unknown and never zero`() throws {
    let text = """
      {"name": "board", "processor": {"architecture": "aarch64", "packageCount": 1, "dieCount": 1, "coreCount": 4,
       "processingUnitCount": 4}, "memory": {"totalBytes": 8589934592}}
      """
    let profile = try HardwareProfile(json: try JSON(parsing: text), file: "board.json")
    #expect(profile.memory.available.value == nil && profile.memory.available.basis == .unknown)
    #expect(profile.processor.peaks.int8.value == nil && profile.power.idle.value == nil)
    #expect(profile.memory.usable.value == ByteCount(8_589_934_592))
  }

  @Test func `five hundred damaged profiles give a sentence or a profile`() throws {
    var samples = ProfileSamples(seed: 3)
    let original = samples.profile().json.utf8(pretty: true)
    var random = SeededRandom(seed: 99)
    var refused = 0
    for _ in 0..<500 {
      var bytes = original
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0...3, using: &random) {
        case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
        case 1: bytes.remove(at: place)
        case 2: bytes.insert(contentsOf: Array("-1e308".utf8), at: place)
        default: bytes[place] = UInt8(ascii: "9")
        }
      }
      do {
        let profile = try HardwareProfile(json: try JSON(parsing: bytes), file: "mutant")
        _ = profile.json.text()
        _ = (profile.processor.usableThreads, profile.processor.usableCores, profile.memory.usable)
      } catch let error as HardwareProfileError {
        #expect(error.message.contains("mutant") && !error.remedy.isEmpty)
        refused += 1
      } catch is JSONError {
        refused += 1
      }
    }
    #expect(refused > 100)
  }
}

@Suite struct LimitTests {
  @Test(
    arguments: [
      (16, nil, nil, nil, 16), (16, 8, nil, nil, 8), (16, 8, 4, nil, 4), (16, nil, nil, 2.5, 2), (16, nil, nil, 0.5, 1),
      (2, nil, nil, 64.0, 2),
    ] as [(Int, Int?, Int?, Double?, Int)])
  func `threads are cut by affinity, cpuset and quota`(
    units: Int, affinity: Int?, cpuset: Int?, quota: Double?, expected: Int
  ) {
    let processor = Processor(
      architecture: "x", packageCount: 1, dieCount: 1, coreCount: units, processingUnitCount: units,
      limits: ProcessorLimits(quotaProcessors: quota, affinityCount: affinity, cpusetCount: cpuset))
    #expect(processor.usableThreads == expected)
  }

  @Test func `usable memory is what is available or what the limit leaves, the smaller`() {
    let total = Known<ByteCount>.exact(.gibibytes(16), .measured)
    let memory = MemorySystem(
      total: total, available: .exact(.gibibytes(8), .measured), limit: .gibibytes(2), usedOfLimit: .gibibytes(0.5))
    #expect(memory.usable.value == .gibibytes(1.5))
    let overdrawn = MemorySystem(total: total, available: total, limit: .gibibytes(1), usedOfLimit: .gibibytes(2))
    #expect(overdrawn.usable.value == ByteCount(0))
  }
}
