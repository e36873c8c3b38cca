// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// The processors of a machine, in hwloc's words: packages, dies, cores, processing units (PUs).
package struct Processor: Sendable, Equatable {
  package var architecture: String
  package var vendor: String?
  /// The marketing name; shown, never used to infer a feature (virtual machines lie about it).
  package var model: String?
  package var packageCount: Int
  package var dieCount: Int
  package var coreCount: Int
  /// What the number of cores was made of, where nobody stated or read it; nil where somebody did.
  package var coreAssumption: String?
  package var processingUnitCount: Int
  package var coreKinds: [CoreKind]
  package var caches: [CacheLevel]
  package var instructionSets: [InstructionSet]
  package var limits: ProcessorLimits
  /// Vendor peak rates of the whole processor, for machines that nobody measured.
  package var peaks: PeakRates

  package init(
    architecture: String, vendor: String? = nil, model: String? = nil, packageCount: Int, dieCount: Int,
    coreCount: Int, processingUnitCount: Int, coreKinds: [CoreKind] = [], caches: [CacheLevel] = [],
    instructionSets: [InstructionSet] = [], limits: ProcessorLimits = ProcessorLimits(), peaks: PeakRates = PeakRates()
  ) {
    self.architecture = architecture
    self.vendor = vendor
    self.model = model
    self.packageCount = packageCount
    self.dieCount = dieCount
    self.coreCount = coreCount
    self.processingUnitCount = processingUnitCount
    self.coreKinds = coreKinds
    self.caches = caches
    self.instructionSets = instructionSets
    self.limits = limits
    self.peaks = peaks
  }

  /// Threads that can really run at once: PUs that are online and allowed, cut by the CPU quota; never below one.
  package var usableThreads: Int {
    let allowed = min(limits.affinityCount ?? processingUnitCount, limits.cpusetCount ?? processingUnitCount)
    let quota = limits.quotaProcessors.map { Int(max(1, min($0, 1e6))) } ?? allowed
    return max(1, min(allowed, quota, processingUnitCount))
  }

  /// Physical cores among the usable threads: decode gains nothing from a second thread on one core.
  package var usableCores: Int { max(1, min(usableThreads, coreCount)) }

  package func worthUsing(_ name: String) -> Bool {
    instructionSets.contains { $0.name == name && $0.isPresent && $0.isWorthUsing }
  }

  /// The largest cache of the last level, as one PU sees it.
  package var lastLevelCache: CacheLevel? {
    caches.filter { $0.kind != .instruction }.max { ($0.level, $0.size) < ($1.level, $1.size) }
  }
}

/// Cores of one kind: performance or efficiency, or all of them.
package struct CoreKind: Sendable, Equatable {
  package var name: String
  package var coreCount: Int
  package var processingUnitCount: Int
  package var maximumHertz: Double?
  package init(name: String, coreCount: Int, processingUnitCount: Int, maximumHertz: Double? = nil) {
    self.name = name
    self.coreCount = coreCount
    self.processingUnitCount = processingUnitCount
    self.maximumHertz = maximumHertz
  }
}

/// A group of identical caches.
package struct CacheLevel: Sendable, Equatable {
  package enum Kind: String, Sendable { case data, instruction, unified }
  package var level: Int
  package var kind: Kind
  package var size: ByteCount
  package var lineSize: ByteCount?
  package var sharedByProcessingUnits: Int
  /// How many such caches the machine has.
  package var count: Int
  package init(
    level: Int, kind: Kind, size: ByteCount, lineSize: ByteCount? = nil, sharedByProcessingUnits: Int, count: Int
  ) {
    self.level = level
    self.kind = kind
    self.size = size
    self.lineSize = lineSize
    self.sharedByProcessingUnits = sharedByProcessingUnits
    self.count = count
  }
}

/// Whether an instruction set is there, and whether it pays to use it: two questions.
package struct InstructionSet: Sendable, Equatable {
  package var name: String
  package var isPresent: Bool
  package var isWorthUsing: Bool
  package var reason: String
  package init(name: String, isPresent: Bool, isWorthUsing: Bool, reason: String) {
    self.name = name
    self.isPresent = isPresent
    self.isWorthUsing = isWorthUsing
    self.reason = reason
  }
}

/// What keeps a process from using every PU; nil where there is no such limit or nobody could read it.
package struct ProcessorLimits: Sendable, Equatable {
  /// CPU time per wall time that the container may use.
  package var quotaProcessors: Double?
  package var quotaSource: String?
  package var affinityCount: Int?
  package var cpusetCount: Int?
  package var offlineCount: Int
  package init(
    quotaProcessors: Double? = nil, quotaSource: String? = nil, affinityCount: Int? = nil, cpusetCount: Int? = nil,
    offlineCount: Int = 0
  ) {
    self.quotaProcessors = quotaProcessors
    self.quotaSource = quotaSource
    self.affinityCount = affinityCount
    self.cpusetCount = cpusetCount
    self.offlineCount = offlineCount
  }
}

/// Dense peak rates by precision; a multiply-add counts as two operations.
package struct PeakRates: Sendable, Equatable {
  private static var none: Known<OperationRate> { .unknown(reason: "no vendor figure for this machine") }
  package var float32: Known<OperationRate>
  package var float16: Known<OperationRate>
  package var int8: Known<OperationRate>
  package init(
    float32: Known<OperationRate>? = nil, float16: Known<OperationRate>? = nil, int8: Known<OperationRate>? = nil
  ) {
    self.float32 = float32 ?? Self.none
    self.float16 = float16 ?? Self.none
    self.int8 = int8 ?? Self.none
  }
}
