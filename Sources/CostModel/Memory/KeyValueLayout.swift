// SPDX-License-Identifier: Apache-2.0
package import LanguageModel
internal import Quantities

/// Where the built-in runtime keeps keys and values: how many rows each layer has, and what a row takes.
///
/// A layer with a sliding window of w keeps w − 1 positions, which is what the first token of a pass sees beside itself,
/// and the tokens of one pass; when its rows are full, those that are still seen slide to the front. Other layers keep
/// every position of the context.
package struct KeyValueLayout: Sendable, Equatable {
  package struct Layer: Sendable, Equatable {
    package let heads: Int
    /// Positions of one sequence that each head has room for.
    package let rows: Int
    /// Positions that a token sees, itself among them; nil sees all.
    package let window: Int?
    /// Bytes of one head's row.
    package let keyBytes: Int
    /// 0 where the key is the value too.
    package let valueBytes: Int
  }

  package let layers: [Layer]
  package let sequences: Int

  /// - Parameter passTokens: the most tokens of one pass.
  package init(_ architecture: ModelArchitecture, _ workload: Workload, passTokens: Int) {
    sequences = max(1, workload.sequences)
    layers = architecture.layers.lazy.flatMap(\.mixers).compactMap { mixer in
      mixer.cache.map { shape in
        let heads = mixer.cachedHeads
        let format = workload.keyValueFormat
        let context = workload.contextTokens
        let window = shape.window.map { max(1, $0) }
        return Layer(
          heads: heads, rows: min(context, window.map { min($0, context) - 1 + passTokens } ?? .max), window: window,
          keyBytes: Int(format.bytes(elements: shape.keyElements / heads).bytes),
          valueBytes: Int(format.bytes(elements: shape.valueElements / heads).bytes))
      }
    }
  }

  /// Of keys or of values, over all layers and sequences.
  func bytes(_ rowBytes: (Layer) -> Int) -> ByteCount {
    ByteCount(layers.reduce(0) { $0 + $1.heads * $1.rows * rowBytes($1) } * sequences)
  }

  /// The sum in words, one term for each count of rows.
  func formula(_ rowBytes: (Layer) -> Int, _ format: KeyValueFormat) -> String {
    var terms: [(rows: Int, bytes: Int)] = []
    for layer in layers {
      let bytes = layer.heads * rowBytes(layer)
      if let place = terms.firstIndex(where: { $0.rows == layer.rows }) {
        terms[place].bytes += bytes
      } else {
        terms.append((layer.rows, bytes))
      }
    }
    let sum = terms.sorted { $0.rows > $1.rows }.map { "\($0.bytes) bytes × \($0.rows) positions" }
      .joined(separator: " + ")
    let one = terms.count > 1 && sequences > 1 ? "(\(sum))" : sum
    return one + (sequences > 1 ? " × \(sequences) sequences" : "") + ", \(format.rawValue)"
  }
}

extension Mixer {
  /// Heads whose rows a cache keeps apart.
  fileprivate var cachedHeads: Int {
    guard case .attention(let shape) = self else { return 1 }
    return max(1, shape.keyValueHeads)
  }
}
