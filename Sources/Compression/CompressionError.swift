// SPDX-License-Identifier: Apache-2.0
package import Quantities

/// Why a variant cannot be used.
package enum CompressionError: ExplainedError, Equatable {
  case empty(variant: String)
  case unknownStep(step: String, suggestions: [String])
  case badParameter(step: String, expected: String)
  /// A way of the literature that is no step here, and why.
  case notOffered(step: String, reason: String)
  /// A change of shape after the step that stores the weights.
  case wrongOrder(step: String, after: String)
  /// Two steps that do not go together, and why.
  case notCombinable(step: String, with: String, reason: String)
  /// The model's shapes do not allow the step.
  case notApplicable(step: String, model: String, reason: String)

  package var kind: String {
    switch self {
    case .empty: "variant_empty"
    case .unknownStep: "variant_unknown"
    case .badParameter: "variant_bad_parameter"
    case .notOffered: "variant_not_offered"
    case .wrongOrder: "variant_wrong_order"
    case .notCombinable: "variant_not_combinable"
    case .notApplicable: "variant_not_applicable"
    }
  }

  package var message: String {
    switch self {
    case .empty(let variant): "The variant '\(variant)' has an empty step."
    case .unknownStep(let step, _): "There is no compression step '\(step)'."
    case .badParameter(let step, let expected):
      "The compression step '\(step)' has a parameter that is not offered; expected \(expected)."
    case .notOffered(let step, let reason): "The compression step '\(step)' is not offered: \(reason)."
    case .wrongOrder(let step, let after):
      "The compression step '\(step)' changes shapes, and '\(after)' before it has already stored the weights."
    case .notCombinable(let step, let other, let reason):
      "The compression steps '\(other)' and '\(step)' do not go together: \(reason)."
    case .notApplicable(let step, let model, let reason):
      "The compression step '\(step)' cannot be applied to '\(model)': \(reason)."
    }
  }

  package var remedy: String {
    switch self {
    case .empty: "Write steps joined by '+', for example 'q4_k_m'; 'original' stands for no step."
    case .unknownStep(_, let suggestions) where !suggestions.isEmpty:
      "Did you mean \(suggestions.map { "'\($0)'" }.joined(separator: ", "))? Offered are \(Self.offered)."
    case .notOffered: "Take 'svd-0.5', whose factors are multiplied by the dense kernels."
    case .unknownStep: "Offered are \(Self.offered)."
    case .badParameter(_, let expected): "Write \(expected)."
    case .wrongOrder(let step, let after): "Write it first: '\(step)+\(after)'."
    case .notCombinable(let step, let other, _): "Take '\(other)' or '\(step)' alone."
    case .notApplicable: "Take a smaller step, or another model."
    }
  }

  package var exitCode: ExitReason { .badInput }

  private static var offered: String { CompressionVariant.offered.map(\.name).joined(separator: ", ") }
}
