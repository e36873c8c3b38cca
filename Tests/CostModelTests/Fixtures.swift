// SPDX-License-Identifier: Apache-2.0
import Compression
import CostModel
import Evidence
import Hardware
import LanguageModel
import Profiles
import Quantities
import Testing

/// Models of the catalogue and machines of a few figures.
enum Fixture {
  /// Read once: it is 482 models.
  private static let catalogue = Result { try ModelCatalogue.builtIn() }

  static func model(_ identifier: String) throws -> LanguageModelDescription {
    let catalogue = try catalogue.get()
    return try catalogue.describe(try catalogue.entry(named: identifier))
  }

  /// The coefficients that come with the program.
  static let efficiencies = (try? EngineEfficiencies(library: .standard())) ?? .none

  static func variant(_ name: String) throws -> CompressionVariant { try CompressionVariant(parsing: name) }

  static func estimator(
    _ model: LanguageModelDescription, on machine: HardwareProfile, engine: Engine? = nil,
    threads: ThreadWish = .none, _ workload: Workload = Workload(), quality: [QualityEvidence] = []
  ) -> CostEstimator {
    CostEstimator(
      model, on: Platform(machine, engine: engine, threads: threads, efficiencies: efficiencies), workload: workload,
      quality: QualityModel(quality))
  }

  /// A machine at hand: two cores and so much memory, perhaps calibrated.
  static func host(
    memory: ByteCount = .gibibytes(64), cores: Int = 2, calibration: Calibration? = nil,
    accelerators: [Accelerator] = []
  ) -> HardwareProfile {
    HardwareProfile(
      name: "host", origin: .probed,
      processor: Processor(
        architecture: "x86_64", packageCount: 1, dieCount: 1, coreCount: cores, processingUnitCount: cores),
      memory: MemorySystem(total: .exact(memory, .measured), available: .exact(memory, .measured)),
      accelerators: accelerators, calibration: calibration)
  }

  static func device(_ description: String) throws -> HardwareProfile {
    try MachineDescription(inline: description).profile
  }
}

/// The median of some errors.
func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  let middle = sorted.count / 2
  return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
