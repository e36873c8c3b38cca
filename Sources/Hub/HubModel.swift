// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
package import Quantities

/// What the hub tells of a model without its weights.
package struct HubModel: Sendable {
  package let description: LanguageModelDescription
  /// The files with weights, as far as their headers were read.
  package let files: [HubFile]
  /// Numbers in the files' tensors; nil without headers, or where packed or scaled storage makes elements and
  /// parameters two different things.
  package let parametersCounted: Int?
  /// Bytes of answers that came over the network.
  package let received: ByteCount
  package let requests: Int
}

/// A file with weights on the hub.
package struct HubFile: Sendable, Equatable {
  package let name: String
  /// The whole file; nil when the server does not say.
  package let size: ByteCount?
  /// The tensors in it, without header and padding.
  package let tensorBytes: ByteCount
}
