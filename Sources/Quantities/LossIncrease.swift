// SPDX-License-Identifier: Apache-2.0

/// What a change adds to a language model's loss, in nats per token: ln(perplexity / perplexity before).
package struct LossIncrease: AdditiveQuantity {
  package var nats: Double
  package init(magnitude: Double) { nats = magnitude }
  package init(nats: Double) { self.nats = nats }
  package var magnitude: Double { nats }
  package static var keySuffix: String { "NatsPerToken" }
}

extension LossIncrease: CustomStringConvertible {
  package var description: String { "+\(QuantityFormat.fixed(nats, decimals: 3)) nats/token" }
}
