// SPDX-License-Identifier: Apache-2.0
import CKernels
import Foundation
import JSONText
import LanguageModel
import ModelFiles
import Testing

/// A small random model of one architecture with the logits of an independent implementation, as
/// `scripts/golden/architectures` records them: metadata, tensor table, tokens, logits. The weights follow from the
/// tensors' names.
struct GoldenModel {
  let name: String
  let prompt: [Int32]
  let steps: [Int32]
  /// After the prompt, then after each step.
  let logits: [[Double]]
  private let document: JSON

  /// A GGUF file by its architecture, or a checkpoint by its model type.
  enum Kind: String {
    case architectures, checkpoints
  }

  static func names(_ kind: Kind) -> [String] {
    let folder = Bundle.module.url(forResource: "Models/\(kind.rawValue)", withExtension: nil)
    let files = folder.flatMap { try? FileManager.default.contentsOfDirectory(atPath: $0.path) } ?? []
    return files.filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()
  }

  init(_ name: String, _ kind: Kind = .architectures) throws {
    self.name = name
    let path = try Stories.path("\(kind.rawValue)/\(name).json")
    document = try JSON(parsing: Array(Data(contentsOf: URL(fileURLWithPath: path))))
    prompt = try Self.numbers(document["prompt"]).map { Int32($0) }
    steps = try Self.numbers(document["steps"]).map { Int32($0) }
    logits = try #require(document["logits"]?.arrayValue).map { try Self.numbers($0) }
  }

  private static func numbers(_ value: JSON?) throws -> [Double] {
    try #require(value?.arrayValue).map { try #require($0.doubleValue) }
  }

  /// Writes the model's GGUF file into a folder and opens it.
  func open(in folder: TemporaryFolder) throws -> ModelFile {
    var writer = GGUFWriter()
    for pair in try #require(document["metadata"]?.arrayValue) {
      let key = try #require(pair.arrayValue?.first?.stringValue)
      let value = try #require(pair.arrayValue?.last)
      writer.set(key, try Self.value(value))
    }
    var contents: [[UInt8]] = []
    for tensor in try #require(document["tensors"]?.arrayValue) {
      let weights = try GoldenTensor(tensor)
      writer.add(tensor: weights.name, dimensions: weights.dimensions, format: weights.format)
      contents.append(weights.bytes)
    }
    return try ModelFile.open(folder.write(writer.bytes { contents[$0] }, "\(name).gguf"))
  }

  /// Writes the model's checkpoint (config.json and safetensors) into a folder and opens it.
  func openCheckpoint(in folder: TemporaryFolder) throws -> ModelFile {
    let configuration = try #require(document["config"])
    var header: [JSON.Member] = []
    var data: [UInt8] = []
    for tensor in try #require(document["tensors"]?.arrayValue) {
      let weights = try GoldenTensor(tensor)
      let start = data.count
      data += weights.bytes
      let shape = weights.dimensions.reversed().map { JSON.integer(Int64($0)) }
      let offsets: [JSON] = [.integer(Int64(start)), .integer(Int64(data.count))]
      header.append(
        .init(weights.name, ["dtype": "F32", "shape": .array(shape), "data_offsets": .array(offsets)]))
    }
    let text = Array(JSON.object(header).text().utf8)
    let count = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
    _ = try folder.write(count + text + data, "model.safetensors")
    _ = try folder.write(Array(configuration.text().utf8), "config.json")
    return try ModelFile.open(folder.path)
  }

  private static func value(_ value: JSON) throws -> GGUFValue {
    switch value {
    case .bool(let flag): .bool(flag)
    case .integer(let number): .uint32(UInt32(number))
    case .number(let number): .float32(Float(number))
    default: .string(try #require(value.stringValue))
    }
  }
}

/// One tensor of a golden model: `center + spread · (2u − 1)` in floats, or blocks of mxfp4.
private struct GoldenTensor {
  let name: String
  let dimensions: [Int]
  let format: BlockFormat
  private let center: Double
  private let spread: Double

  init(_ tensor: JSON) throws {
    name = try #require(tensor["name"]?.stringValue)
    dimensions = try #require(tensor["dimensions"]?.arrayValue).compactMap(\.intValue)
    let formatName = try #require(tensor["format"]?.stringValue)
    format = try #require(BlockFormat(rawValue: formatName))
    center = try #require(tensor["center"]?.doubleValue)
    spread = try #require(tensor["spread"]?.doubleValue)
  }

  /// SplitMix64 (Steele, Lea and Flood 2014), seeded by the name's FNV-1a hash.
  private func mixed(_ index: Int, seed: UInt64) -> UInt64 {
    var z = seed &+ UInt64(index + 1) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  var bytes: [UInt8] {
    let seed = name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    let count = dimensions.reduce(1, *)
    if format == .mxfp4 {
      return (0..<count / 32 * 17).map { index in
        let byte = UInt8(mixed(index, seed: seed) >> 56)
        return index % 17 == 0 ? 123 + byte % 3 : byte
      }
    }
    return (0..<count).flatMap { index in
      let unit = Double(mixed(index, seed: seed) >> 40) / 16_777_216
      let value = Float(center + spread * (2 * unit - 1))
      if format == .f16 { return withUnsafeBytes(of: ck_float_to_half(value).littleEndian) { Array($0) } }
      return withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
    }
  }
}

/// A folder of its own for one test, removed with this object.
final class TemporaryFolder {
  let path = NSTemporaryDirectory() + "/anprobe-\(UUID().uuidString)"

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ bytes: [UInt8], _ name: String) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
    return path + "/" + name
  }
}
