// SPDX-License-Identifier: Apache-2.0

/// A reservation about a description: the numbers hold, but the reader should know how they came about.
package enum DescriptionNote: Sendable, Equatable {
  /// No rules are known for the model type; it is described as a llama-like transformer.
  case unknownModelType(String)
  /// The vision or audio tower is part of the repository but not of the description.
  case towerLeftOut(String)
  /// Layers attend to an encoder's output, whose cache depends on the image or sound and is not counted.
  case crossAttention(layers: Int)

  /// The files of the repository store another number of weights than the description counts: buffers, a second copy
  /// of the embedding, towers or further heads.
  case countDiffers(described: Int, stored: Int)

  package var sentence: String {
    switch self {
    case .unknownModelType(let type):
      "The model type '\(type)' is unknown; it is described as a llama-like transformer, so check the parameter count."
    case .towerLeftOut(let tower): "The \(tower) tower is not counted."
    case .crossAttention(let layers):
      "\(layers) layers attend to images; their cache depends on the image and is not counted."
    case .countDiffers(let described, let stored):
      "The files store \(stored) numbers where the description counts \(described) parameters."
    }
  }
}
