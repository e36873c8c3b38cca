// SPDX-License-Identifier: Apache-2.0
import Hardware
import Quantities
import TestSupport

/// Profiles with every field set, drawn from a seed.
struct ProfileSamples {
  var random: SeededRandom
  init(seed: UInt64) { random = SeededRandom(seed: seed) }

  mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
  mutating func word() -> String {
    ["", "a b", "quote \" and \\", "µ ünïcode 字", "tab\tnewline\n", "/sys/fs/cgroup/memory.max"]
      .randomElement(using: &random) ?? ""
  }
  mutating func maybe<Value>(_ value: Value) -> Value? { Bool.random(using: &random) ? value : nil }

  mutating func known<Value: Quantity>(_: Value.Type = Value.self) -> Known<Value> {
    let low = Value(magnitude: Double(int(0...1 << 40)) * (Value.self == ByteCount.self ? 1 : 0.37))
    let high = Value(magnitude: low.magnitude * 3)
    let value = Value(magnitude: low.magnitude * 2)
    switch int(0...4) {
    case 0: return .unknown(reason: word())
    case 1: return .exact(value, .measured)
    case 2: return .exact(value, .measured, source: word())
    case 3: return .exact(value, .published)
    default: return .known(value, low: low, high: high, basis: .modelled, source: word())
    }
  }

  mutating func peaks() -> PeakRates { PeakRates(float32: known(), float16: known(), int8: known()) }
  mutating func power() -> PowerFigures { PowerFigures(thermalDesign: known(), idle: known()) }

  mutating func profile() -> HardwareProfile {
    HardwareProfile(
      name: word(), origin: HardwareProfile.Origin.allCases.randomElement(using: &random) ?? .probed,
      processor: processor(), memory: memory(), accelerators: (0..<int(0...2)).map { _ in accelerator() },
      powerSensors: (0..<int(0...2)).map { _ in sensor() },
      storage: [StorageDevice(name: word(), capacity: maybe(ByteCount(int(0...1 << 50))), isRotational: maybe(true))],
      operatingSystem: maybe(OperatingSystem(name: word(), kernel: word())),
      virtualisation: [.bareMetal, .unknown, .virtualMachine(hypervisor: word())].randomElement(using: &random)
        ?? .unknown,
      container: Container(kind: maybe(word()), evidence: maybe(word())),
      frequency: FrequencyPolicy(governor: maybe(word()), maximumHertz: maybe(2.9e9), throttleEvents: maybe(3)),
      power: power(), calibration: maybe(calibration()), notes: [word(), word()])
  }

  mutating func processor() -> Processor {
    Processor(
      architecture: word(), vendor: maybe(word()), model: maybe(word()), packageCount: int(1...4),
      dieCount: int(1...8), coreCount: int(1...128), processingUnitCount: int(1...256),
      coreKinds: [CoreKind(name: word(), coreCount: 2, processingUnitCount: 4, maximumHertz: maybe(1.8e9))],
      caches: [
        CacheLevel(
          level: int(1...4), kind: CacheLevel.Kind.allCases.randomElement(using: &random) ?? .data,
          size: ByteCount(int(1...1 << 30)), lineSize: maybe(ByteCount(64)), sharedByProcessingUnits: int(1...64),
          count: int(1...64))
      ],
      instructionSets: [InstructionSet(name: word(), isPresent: true, isWorthUsing: false, reason: word())],
      limits: ProcessorLimits(
        quotaProcessors: maybe(0.5), quotaSource: maybe(word()), affinityCount: maybe(3), cpusetCount: maybe(2),
        offlineCount: int(0...3)), peaks: peaks())
  }

  mutating func memory() -> MemorySystem {
    MemorySystem(
      total: known(), available: known(), limit: maybe(ByteCount(int(0...1 << 40))), limitSource: maybe(word()),
      usedOfLimit: maybe(ByteCount(int(0...1 << 20))), swapTotal: known(),
      hugePages: HugePages(size: maybe(ByteCount(1 << 21)), reserved: maybe(0), transparent: maybe(word())),
      numaNodes: [
        NUMANode(index: int(0...9), capacity: known(), distances: [10, 21], processingUnitCount: int(0...8))
      ],
      peakBandwidth: known())
  }

  mutating func accelerator() -> Accelerator {
    Accelerator(
      name: word(), vendor: word(), kind: Accelerator.Kind.allCases.randomElement(using: &random) ?? .gpu,
      memoryTotal: known(), memoryFree: known(), hasUnifiedMemory: int(0...1) == 1, bandwidth: known(), peaks: peaks(),
      power: power(), memoryTechnology: maybe(word()), computeCapability: maybe("9.0"), source: word())
  }

  mutating func sensor() -> PowerSensor {
    PowerSensor(
      kind: PowerSensor.Kind.allCases.randomElement(using: &random) ?? .rapl, domain: word(), path: word(),
      isReadable: int(0...1) == 1, reason: word(), counterRange: maybe(Energy(joules: 262143.328850)))
  }

  mutating func calibration() -> Calibration {
    Calibration(
      date: "2025-01-02T03:04:05Z", toolVersion: word(), kernelSet: "avx2", duration: Seconds(9.25),
      rates: Calibration.Rate.Operation.allCases.map {
        Calibration.Rate(
          $0, format: word(), threads: int(1...64), batch: int(1...512), operandBytes: int(0...1 << 40),
          columns: int(0...128),
          perSecond: 1.25e10, low: 1.2e10, high: 1.3e10, samples: 5)
      },
      overheads: Calibration.Overhead.Kind.allCases.map {
        Calibration.Overhead($0, threads: int(1...64), amount: 1.5e-7, low: 1e-7, high: 3e-7)
      },
      warnings: [word()])
  }
}
