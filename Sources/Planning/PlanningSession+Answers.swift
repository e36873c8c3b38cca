// SPDX-License-Identifier: Apache-2.0
package import Compression
package import CostModel
internal import LanguageModel
package import Profiles
internal import Quantities
package import Recommender

extension PlanningSession {
  /// The catalogue's models whose names contain one of `names`, or all.
  ///
  /// - Throws: `PlanningError.noModelsNamed` for a name that is in none.
  package func entries(named names: [String]) throws -> [ModelCatalogue.Entry] {
    let catalogue = try models()
    var entries = names.isEmpty ? catalogue.entries : []
    for name in names {
      let hits = catalogue.entries(containing: name)
      guard !hits.isEmpty else { throw PlanningError.noModelsNamed(name) }
      entries += hits.filter { hit in !entries.contains { $0.identifier == hit.identifier } }
    }
    return entries
  }

  /// One estimate per variant of a model on this machine: all that are listed side by side, and one of each other kind.
  package func variants(of model: ModelReference) throws -> [CostEstimate] {
    let estimator = try self.estimator(model, PlanningRequest())
    return try (CompressionVariant.offered + CompressionVariant.examples).compactMap { variant in
      do {
        guard variant.student != nil else { return try estimator.restructured(for: variant).estimate(variant) }
        return try self.estimator(model, PlanningRequest(), for: variant).estimate(variant)
      } catch CompressionError.notApplicable {
        return nil
      }
    }
  }

  /// What fits: the models whose names contain one of `names`, or the whole catalogue.
  package func fits(
    _ names: [String], _ request: PlanningRequest, objective: Objective, constraints: Constraints,
    variants: [CompressionVariant] = CompressionVariant.offered, keepsAll: Bool = false
  ) throws -> FitsAnswer {
    let entries = try self.entries(named: names)
    let platform = try self.platform(request)
    let fitting = Fitting(
      platform: platform, workload: request.workload, quality: try quality(),
      recommender: Recommender(platform: platform, objective: objective, constraints: constraints),
      variants: variants, keepsAll: keepsAll, students: try students(of: variants))
    return fitting.answer(entries)
  }

  package func recommend(
    _ model: ModelReference, _ request: PlanningRequest, objective: Objective, constraints: Constraints,
    variants: [CompressionVariant] = CompressionVariant.offered
  ) throws -> (recommendation: Recommendation, platform: Platform) {
    let estimator = try self.estimator(model, request)
    let estimates = try variants.map { variant in
      let isSame = variant.structure.isEmpty && variant.student == nil
      return try (isSame ? estimator : self.estimator(model, request, for: variant)).estimate(variant)
    }
    let recommender = Recommender(platform: estimator.platform, objective: objective, constraints: constraints)
    return (recommender.recommendation(from: estimates), estimator.platform)
  }

  private func students(of variants: [CompressionVariant]) throws -> [String: LanguageModelDescription] {
    var models: [String: LanguageModelDescription] = [:]
    for name in variants.compactMap(\.student) { models[name] = try description(of: ModelReference(name)) }
    return models
  }
}
