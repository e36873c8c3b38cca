// SPDX-License-Identifier: Apache-2.0
internal import Compression
internal import CostModel
internal import Evidence
package import JSONText
internal import Recommender

extension FitReport {
  /// The members of the answer of `report --format json` (docs/json.md).
  package var members: [JSON.Member] {
    let rows = fitting.map { JSON.object($0.best.json + [.init("identifier", .string($0.identifier))]) }
    return [
      .init("machine", platform.json), .init("workload", workload.json),
      .init("objective", .string(objective.rawValue)), .init("modelCount", .integer(Int64(modelCount))),
      .init("estimateCount", .integer(Int64(estimateCount))), .init("rows", .array(rows)),
      .init("focus", focusJSON), .init("validation", .object(validation.members)),
      .init("madeBy", .string(command)), .init("date", .string(date)),
    ]
  }

  private var focusJSON: JSON {
    guard let focus else { return .null }
    return [
      "choice": focus.recommendation.choice.map { .object($0.json) } ?? .null,
      "reasons": .array(focus.recommendation.reasons.map { .string($0) }),
      "paretoFront": .array(focus.recommendation.front.map { .string($0.variant.name) }),
      "variants": .array(focus.estimates.map { .object($0.json) }),
    ]
  }
}
