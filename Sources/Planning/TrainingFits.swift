// SPDX-License-Identifier: Apache-2.0
internal import Compression
package import CostModel
internal import Foundation
internal import LanguageModel
internal import Profiles
internal import Quantities

/// Which models a machine can train further.
package struct TrainingFits: Sendable {
  package struct Row: Sendable {
    package var name: String
    package var release: String
    package var licence: String
    package var parametersTotal: Int
    package var estimate: TrainingEstimate
  }

  package var platform: Platform
  package var plan: TrainingPlan
  /// What fits first, the larger model before the smaller; then the rest, what lacks least before what lacks most.
  package var rows: [Row]
  /// Models that cannot be trained so whatever the memory, with the reason.
  package var unreadable: [(name: String, reason: String)]

  package var fitting: [Row] { rows.filter { $0.estimate.fits == true } }
}

extension PlanningSession {
  /// Which of the catalogue's models whose names contain one of `names` can be trained so on this machine.
  ///
  /// - Throws: `PlanningError.noModelsNamed` for a name that is in none.
  package func fits(_ names: [String], training plan: TrainingPlan, _ request: PlanningRequest) throws -> TrainingFits {
    let entries = try self.entries(named: names)
    let platform = try self.platform(request)
    let quality = try self.quality()
    let results = Fitting.parallel(entries.count) { index in
      Result { try Self.row(entries[index], plan, platform, request.workload, quality) }
    }
    var answer = TrainingFits(platform: platform, plan: plan, rows: [], unreadable: [])
    for (entry, result) in zip(entries, results) {
      switch result {
      case .success(let row): answer.rows.append(row)
      case .failure(let error):
        let reason = (error as? any ExplainedError)?.message ?? error.localizedDescription
        answer.unreadable.append((entry.identifier, reason))
      }
    }
    answer.rows = answer.rows.map { ($0, rank($0)) }.sorted { $0.1.lexicographicallyPrecedes($1.1) }.map(\.0)
    return answer
  }

  private static func row(
    _ entry: ModelCatalogue.Entry, _ plan: TrainingPlan, _ platform: Platform, _ workload: Workload,
    _ quality: QualityModel
  ) throws -> TrainingFits.Row {
    let description = try entry.description()
    let estimator = CostEstimator(description, on: platform, workload: workload, quality: quality)
    return TrainingFits.Row(
      name: entry.identifier, release: entry.release, licence: entry.licence,
      parametersTotal: description.parametersTotal,
      estimate: try TrainingEstimate(
        description, plan, on: platform, prefill: estimator.estimate(.original).prefill))
  }

  private func rank(_ row: TrainingFits.Row) -> [Double] {
    let fits = row.estimate.fits == true
    return [fits ? 0 : 1, fits ? -Double(row.parametersTotal) : row.estimate.total.value?.magnitude ?? .infinity]
  }
}
