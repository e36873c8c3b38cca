// SPDX-License-Identifier: Apache-2.0
internal import Compression
package import CostModel
internal import Evidence
internal import Profiles
internal import Quantities

/// A published loss and what was expected of it from the figures of other models alone.
package struct QualityValidation: Sendable {
  package var model: String
  package var variant: String
  package var measured: Double
  package var estimate: QualityEstimate

  /// Losses below the noise of the test set count as that noise.
  static let noise = 0.001

  package var accuracyCase: AccuracyRow.Case? {
    guard let value = estimate.loss.value?.nats, let low = estimate.loss.low?.nats, let high = estimate.loss.high?.nats
    else { return nil }
    let (truth, expected) = (max(Self.noise, measured), max(Self.noise, value))
    return AccuracyRow.Case(
      machine: model, error: abs(expected / truth - 1), isInside: truth >= low && truth <= max(high, Self.noise),
      width: max(high, Self.noise) / max(low, Self.noise))
  }

  /// The family of methods, by the name of the variant.
  var family: String {
    let families = [
      ("sparse-", "sparse"), ("width-", "width pruning"), ("svd-", "low rank"), ("awq", "4-bit layers"),
      ("gptq", "4-bit layers"), ("nf4", "4-bit layers"), ("iq", "I-quants"),
    ]
    if let known = families.first(where: { variant.hasPrefix($0.0) }) { return known.1 }
    return variant.contains("_k") ? "K-quants" : "legacy blocks"
  }
}

extension PlanningSession {
  /// Expects every published loss from the evidence without its model.
  func qualityValidations() throws(ProfileError) -> (rows: [QualityValidation], alone: Int) {
    let rows = try QualityTable.rows(library).filter { !["f16", "bf16", "fp16", "f32"].contains($0.variant) }
    var validations: [QualityValidation] = []
    var alone = 0
    for (model, own) in Dictionary(grouping: rows, by: \.model) {
      let others = QualityModel(rows.filter { $0.model != model })
      let known = Set(rows.filter { $0.model != model }.map(\.variant))
      for row in own {
        let name = row.variant + (row.hasImportanceMatrix ? "-imatrix" : "")
        guard known.contains(row.variant),
          let variant = (try? CompressionVariant(parsing: name)) ?? (try? CompressionVariant(parsing: row.variant))
        else {
          alone += 1
          continue
        }
        validations.append(
          QualityValidation(
            model: model, variant: row.variant, measured: row.lossIncrease,
            estimate: others.estimate(variant, model: "another model", bitsPerWeight: 4.5)))
      }
    }
    return (validations.sorted { ($0.variant, $0.model) < ($1.variant, $1.model) }, alone)
  }

  static func table(_ validations: [QualityValidation]) -> [AccuracyRow] {
    let families = Set(validations.map(\.family)).sorted()
    let rows = families.compactMap { family in
      AccuracyRow(
        engine: "–", deviceClass: family, quantity: "loss",
        validations.filter { $0.family == family }.compactMap(\.accuracyCase))
    }
    let all = AccuracyRow(
      engine: "–", deviceClass: "all", quantity: "loss", validations.compactMap(\.accuracyCase))
    return rows + [all].compactMap { $0 }
  }
}
