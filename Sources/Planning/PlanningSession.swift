// SPDX-License-Identifier: Apache-2.0
internal import Archive
package import Compression
package import CostModel
internal import Evidence
internal import Foundation
internal import Hardware
internal import LanguageModel
package import Profiles
internal import Quantities

/// The one path that every face takes: a machine, a model, a workload; then estimates, recommendations, measurements.
package struct PlanningSession: Sendable {
  package let folders: DataFolders
  package let library: ProfileLibrary

  /// - Parameter profileFolders: read besides the program's own and the user's.
  package init(profileFolders: [String] = [], folders: DataFolders = DataFolders()) {
    self.folders = folders
    library = .standard(extraFolders: [folders.profiles] + profileFolders)
  }

  package func models() throws(ProfileError) -> ModelCatalogue { try ModelCatalogue(library: library) }
  package func machines() throws(ProfileError) -> MachineCatalogue { try MachineCatalogue(library: library) }
  /// What variants lose: the user's own evaluations first, then what is published.
  package func quality() throws(ProfileError) -> QualityModel {
    QualityModel(try QualityTable.rows(library), own: ownJudgements)
  }

  /// An archive that cannot be read takes nothing away from what is published.
  private var ownJudgements: [OwnJudgement] {
    guard FileManager.default.fileExists(atPath: folders.archive), let archive = try? Archive(path: folders.archive),
      let rows = try? archive.evaluations()
    else { return [] }
    return rows.compactMap { OwnJudgement(evaluation: $0.evaluation) }
  }
}

/// What a person asks for, besides the model.
package struct PlanningRequest: Sendable {
  package var machine: MachineReference
  package var engine: Engine?
  package var threads: ThreadWish
  package var workload: Workload
  /// What is asked of the distribution over devices and processor.
  package var wish: DistributionWish

  package init(
    machine: MachineReference = .here, engine: Engine? = nil, threads: ThreadWish = .none,
    workload: Workload = Workload(), wish: DistributionWish = .none
  ) {
    self.machine = machine
    self.engine = engine
    self.threads = threads
    self.workload = workload
    self.wish = wish
  }
}

extension PlanningSession {
  package func platform(_ request: PlanningRequest) throws -> Platform {
    let platform = Platform(
      try profile(of: request.machine), engine: request.engine, threads: request.threads, wish: request.wish,
      efficiencies: try efficiencies(), margins: try ErrorMargins(library: library))
    try platform.checkWish()
    return platform
  }

  /// - Parameter variant: whose changes of shape the model has undergone.
  package func estimator(
    _ model: ModelReference, _ request: PlanningRequest, for variant: CompressionVariant = .original
  ) throws -> CostEstimator {
    let description = try variant.restructured(try self.description(of: model, for: variant))
    return CostEstimator(
      description, on: try platform(request), workload: request.workload, quality: try quality())
  }
}
