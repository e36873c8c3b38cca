// SPDX-License-Identifier: Apache-2.0
import Foundation
import LanguageModel
import ModelFiles
import Testing

/// The trained model of 64-wide rows as the same function in 256-wide ones, so that every format applies to its matrices.
///
/// The residual stream x becomes Q·x, where Q (256 × 64) has orthonormal columns: eight blocks of 32 × 8. An RMS norm with
/// a quarter of ε makes 2·Q·norm(x) of it. Values go through such a block per head; rotary pairs move to the places of the
/// same frequencies; 84 of the 172 feed-forward neurons are shared out between two.
struct WideStory {
  private let source: GGUFFile
  /// The blocks of Q.
  private let blocks: [[[Double]]]
  private static let (narrow, wide, heads, keyValueHeads) = (64, 256, 8, 4)

  init() throws {
    source = try GGUFFile(path: Story.path())
    var random = Gaussian(seed: 7)
    blocks = (0..<Self.narrow / 8).map { _ in random.orthonormalColumns(rows: 32, columns: 8) }
  }

  /// Writes the model in one format of floats: `f32`.
  func write(to path: String) throws {
    var writer = GGUFWriter()
    var contents: [[Double]] = []
    let changed: [String: GGUFValue] = [
      "llama.embedding_length": .uint32(256), "llama.feed_forward_length": .uint32(256),
      "llama.rope.dimension_count": .uint32(32), "llama.attention.layer_norm_rms_epsilon": .float32(1e-5 / 4),
    ]
    for key in source.header.metadata.keys where key != "general.alignment" {
      if let value = changed[key] ?? source.header.metadata[key] { writer.set(key, value) }
    }
    for tensor in source.header.tensors {
      let rows = try widened(tensor.name)
      let dimensions = tensor.dimensions.count == 1 ? [rows[0].count] : [rows[0].count, rows.count]
      writer.add(tensor: tensor.name, dimensions: dimensions, format: .f32)
      contents.append(rows.flatMap { $0 })
    }
    let bytes = writer.bytes { index in
      contents[index].map { Float($0) }.withUnsafeBytes { Array($0) }
    }
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  private func widened(_ name: String) throws -> [[Double]] {
    if name.hasSuffix("norm.weight") { return [[Double](repeating: 1, count: Self.wide)] }
    let rows = try matrix(name)
    let layer = name.hasPrefix("blk.") ? String(name.split(separator: ".")[1]) : ""
    switch name.split(separator: ".").dropLast().last {
    case "token_embd": return rows.map { project($0) }
    case "output": return try read(rows, "output_norm.weight")
    case "attn_q": return try spreadPairs(read(rows, "blk.\(layer).attn_norm.weight"), factor: 2)
    case "attn_k": return try spreadPairs(read(rows, "blk.\(layer).attn_norm.weight"), factor: 1)
    case "attn_v": return try spreadValues(read(rows, "blk.\(layer).attn_norm.weight"), layer)
    case "attn_output": return written(gatherValues(rows, layer))
    case "ffn_gate", "ffn_up":
      let read = try read(rows, "blk.\(layer).ffn_norm.weight")
      return neurons.map { read[$0.place] }
    case "ffn_down":
      let neurons = self.neurons
      return written(rows.map { row in neurons.map { row[$0.place] * $0.share } })
    default: throw CocoaError(.featureUnsupported)
    }
  }

  private func matrix(_ name: String) throws -> [[Double]] {
    let index = try #require(source.header.tensors.firstIndex { $0.name == name })
    let columns = source.header.tensors[index].dimensions[0]
    let values = source.bytes(ofTensor: index).bindMemory(to: Float.self).map { Double($0) }
    return stride(from: 0, to: values.count, by: columns).map { Array(values[$0..<$0 + columns]) }
  }

  /// Q·row.
  private func project(_ row: [Double]) -> [Double] { Self.spread(row, by: blocks) }

  /// Each eight elements to thirty-two, by a block each.
  private static func spread(_ row: [Double], by blocks: [[[Double]]]) -> [Double] {
    var wide: [Double] = []
    wide.reserveCapacity(blocks.count * 32)
    for (index, block) in blocks.enumerated() {
      let part = Array(row[index * 8..<index * 8 + 8])
      for coefficients in block {
        var sum = 0.0
        for place in 0..<8 { sum += coefficients[place] * part[place] }
        wide.append(sum)
      }
    }
    return wide
  }

  /// The same of the rows of a matrix.
  private static func spreadRows(_ rows: [[Double]], by blocks: [[[Double]]]) -> [[Double]] {
    var result: [[Double]] = []
    for (index, block) in blocks.enumerated() {
      for coefficients in block {
        var sum = [Double](repeating: 0, count: rows[0].count)
        for (place, coefficient) in coefficients.enumerated() {
          for column in sum.indices { sum[column] += coefficient * rows[index * 8 + place][column] }
        }
        result.append(sum)
      }
    }
    return result
  }

  /// A matrix that reads the normed stream: the norm's weights go into it, and half of Qᵀ.
  private func read(_ rows: [[Double]], _ norm: String) throws -> [[Double]] {
    let weights = try matrix(norm)[0]
    return rows.map { row in project(zip(row, weights).map { $0 * $1 / 2 }) }
  }

  /// A matrix that adds to the stream: Q·W.
  private func written(_ rows: [[Double]]) -> [[Double]] { Self.spreadRows(rows, by: blocks) }

  /// Pair i of eight dimensions turns as pair 4·i of thirty-two does.
  private func spreadPairs(_ rows: [[Double]], factor: Double) -> [[Double]] {
    var result = [[Double]](repeating: [Double](repeating: 0, count: Self.wide), count: rows.count * 4)
    for (index, row) in rows.enumerated() {
      let (head, pair, part) = (index / 8, index % 8 / 2, index % 2)
      result[head * 32 + pair * 8 + part] = row.map { $0 * factor }
    }
    return result
  }

  /// The blocks of a layer's key-value heads, the same whenever they are asked for.
  private func frames(_ layer: String) -> [[[Double]]] {
    var random = Gaussian(seed: 100 + UInt64(layer.utf8.first ?? 0))
    return (0..<Self.keyValueHeads).map { _ in random.orthonormalColumns(rows: 32, columns: 8) }
  }

  private func spreadValues(_ rows: [[Double]], _ layer: String) -> [[Double]] {
    Self.spreadRows(rows, by: frames(layer))
  }

  private func gatherValues(_ rows: [[Double]], _ layer: String) -> [[Double]] {
    let frames = frames(layer)
    let byHead = (0..<Self.heads).map { frames[$0 / 2] }
    return rows.map { Self.spread($0, by: byHead) }
  }

  /// The narrow neuron behind each of 256, and its share of what that adds.
  private var neurons: [(place: Int, share: Double)] {
    (0..<Self.wide).map { index in
      let place = index % 172
      return (place, place < Self.wide - 172 ? (index < 172 ? 0.625 : 0.375) : 1)
    }
  }
}

/// Nearly normal numbers: sums of twelve uniform ones of a linear congruential generator.
struct Gaussian {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> Double {
    var sum = -6.0
    for _ in 0..<12 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      sum += Double(state >> 40) / Double(1 << 24)
    }
    return sum
  }

  /// A matrix whose columns are orthonormal (Gram-Schmidt), as rows.
  mutating func orthonormalColumns(rows: Int, columns: Int) -> [[Double]] {
    var basis: [[Double]] = []
    for _ in 0..<columns {
      var column = (0..<rows).map { _ in next() }
      for other in basis {
        let product = zip(column, other).reduce(0) { $0 + $1.0 * $1.1 }
        for index in column.indices { column[index] -= product * other[index] }
      }
      let length = column.reduce(0) { $0 + $1 * $1 }.squareRoot()
      basis.append(column.map { $0 / length })
    }
    return (0..<rows).map { row in basis.map { $0[row] } }
  }
}
