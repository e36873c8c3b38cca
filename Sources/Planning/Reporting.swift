// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import CostModel
internal import Evidence
internal import Foundation
internal import Hardware
internal import LanguageModel
internal import Profiles
package import Recommender
package import Reports

extension PlanningSession {
  /// The report of a machine.
  ///
  /// - Parameters:
  ///   - focus: the model whose variants are compared; nil takes the first that fits and that the engine runs.
  ///   - command: what the report says it was made by.
  package func report(
    _ request: PlanningRequest, objective: Objective, constraints: Constraints, focus: ModelReference?, command: String
  ) throws -> FitReport {
    let answer = try fits([], request, objective: objective, constraints: constraints)
    let runnable = answer.fitting.first { $0.best.obstacle == nil } ?? answer.fitting.first
    let chosen = focus ?? runnable.map { .catalogue($0.name) }
    return FitReport(
      platform: answer.platform, workload: request.workload, objective: objective,
      fitting: answer.fitting.map { FitReport.Row(identifier: $0.name, best: $0.best) },
      modelCount: answer.rows.count, estimateCount: answer.estimateCount,
      focus: try chosen.map { try comparison($0, request, objective, constraints) },
      validation: request.machine == .here ? try validationOfHistory(answer.platform) : Validation(),
      command: command, date: Self.today())
  }

  private func comparison(
    _ model: ModelReference, _ request: PlanningRequest, _ objective: Objective, _ constraints: Constraints
  ) throws -> (recommendation: Recommendation, estimates: [CostEstimate]) {
    let estimator = try self.estimator(model, request)
    let estimates = CompressionVariant.offered.map(estimator.estimate)
    let recommender = Recommender(platform: estimator.platform, objective: objective, constraints: constraints)
    return (recommender.recommendation(from: estimates), estimates)
  }

  /// The newest kept measurement of each model and variant on this machine, with today's estimate beside it.
  private func validationOfHistory(_ platform: Platform) throws -> Validation {
    guard platform.engine == .anprobe, FileManager.default.fileExists(atPath: folders.archive) else {
      return Validation()
    }
    let catalogue = try models()
    let quality = try self.quality()
    var validation = Validation()
    var seen: Set<String> = []
    for (_, measurement) in try history(model: nil)
    where measurement.machine == platform.machine.name && measurement.isSynthetic && measurement.isComplete {
      guard seen.insert("\(measurement.model)|\(measurement.variant)|\(measurement.mode)").inserted,
        let entry = catalogue.entries.first(where: { $0.name == measurement.model }),
        let variant = try? CompressionVariant(parsing: measurement.variant)
      else { continue }
      let workload = measurement.workload
      let estimator = try CostEstimator(
        entry.description(), on: platform, workload: workload, quality: quality
      ).restructured(for: variant)
      validation.add(estimator.estimate(variant), measurement)
    }
    return validation
  }

  private static func today() -> String {
    let formatter = ISO8601DateFormatter()
    formatter.formatOptions = [.withFullDate]
    return formatter.string(from: Date())
  }
}

extension Evidence.Measurement {
  /// The workload that ran.
  fileprivate var workload: Workload {
    Workload(
      promptTokens: prefill?.tokens ?? 512, generatedTokens: mode == .full ? decode?.tokens ?? 128 : 128,
      contextTokens: contextTokens, keyValueFormat: KeyValueFormat(rawValue: keyValueFormat) ?? .f16)
  }
}
