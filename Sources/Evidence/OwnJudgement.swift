// SPDX-License-Identifier: Apache-2.0
package import JSONText

/// What the user's own evaluation says of a variant: by how much the loss exceeds the reference's.
package struct OwnJudgement: Sendable, Equatable {
  package var model: String
  package var variant: String
  package var date: String
  package var tokens: Int
  /// ln(perplexity / perplexity of the reference), nats per token.
  package var lossIncrease: Estimate

  package init(model: String, variant: String, date: String, tokens: Int, lossIncrease: Estimate) {
    self.model = model
    self.variant = variant
    self.date = date
    self.tokens = tokens
    self.lossIncrease = lossIncrease
  }

  /// Reads a stored evaluation; nil for one without a reference, or of a file that does not say its variant.
  package init?(evaluation json: JSON) {
    guard let model = json["model"]?.stringValue, let variant = json["variant"]?.stringValue,
      let divergence = json["divergence"], let loss = divergence["lossIncrease"]?["value"]?.doubleValue,
      let tokens = divergence["tokens"]?.intValue, json["complete"]?.boolValue != false
    else { return nil }
    self.init(
      model: model, variant: variant, date: json["date"]?.stringValue ?? "", tokens: tokens,
      lossIncrease: Estimate(loss, standardError: divergence["lossIncrease"]?["standardError"]?.doubleValue))
  }
}
